"""The words that full-text search sees, the same on both back-ends.

SQLite's and PostgreSQL's own tokenisers disagree on accents, hyphens, paths and numbers, so text is normalised here,
once, for what is stored and for what is asked; the back-ends index plain alphanumeric words.
"""

from __future__ import annotations

import re
import unicodedata

MAX_WORD = 100
"""Longer words are cut: PostgreSQL indexes no lexeme above 2,046 bytes."""

MAX_WORDS_LENGTH = 200_000
"""Characters of one item that are indexed: PostgreSQL's tsvector holds at most 1 MB."""

_WORD = re.compile(r"[^\W_]+")


def search_words(text: str) -> list[str]:
    """The words of `text` in order: casefolded, accents removed, split at everything not a letter or digit."""
    if text.isascii():
        folded = text.lower()
    else:
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        folded = "".join(char for char in decomposed if not unicodedata.combining(char))
    return [word[:MAX_WORD] for word in _WORD.findall(folded)]


def indexed_words(*texts: str) -> str:
    """What the index stores for these texts: their words, each once, joined by one blank."""
    return " ".join(dict.fromkeys(search_words(" ".join(texts)[:MAX_WORDS_LENGTH])))
