"""The parts of an archetype: an opening, the audience segments it lists, and a closing (methods.md 3.1).

The paper's prompt makes models answer with a numbered list of audiences between two paragraphs. Nothing guarantees
that: a text that does not list anything is all opening, and what a model leaves out is empty. An entry names its audience
first ("**Home cooks**: they …"); two entries are about the same audience where these names are equal or nearly so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SAME_AUDIENCE = 0.6
"""Least share of words that the names of two audiences have in common to count as the same: two of three, not one of two."""

_MARKER = re.compile(r"\s*(?:[*_#]+\s*)?(\d{1,2})[.)](?=[\s*_])\s*(.*)")
_END_OF_NAME = re.compile(r"[:.;,(\n]|\s[-–—]\s|\s+(?:who|that)\s")
_WORD = re.compile(r"[^\W_]+")
_EMPTY_WORDS = frozenset(["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "their", "to", "with"])


@dataclass(frozen=True)
class Segments:
    """An archetype in its parts. audiences: the numbered list's entries in order, without their numbers."""

    opening: str
    audiences: tuple[str, ...]
    closing: str


def split_segments(text: str) -> Segments:
    """Split an archetype where its list counts 1, 2, 3, …; other numbers at the start of a line belong to the text.

    The closing is what follows the first empty line in the last entry.
    """
    parts: list[list[str]] = [[]]
    for line in text.strip().splitlines():
        marker = _MARKER.fullmatch(line)
        if marker and int(marker[1]) == len(parts):
            parts.append([marker[2]])
        else:
            parts[-1].append(line)
    opening, *entries = ("\n".join(lines).strip() for lines in parts)
    if not entries:
        return Segments(opening, (), "")
    last, _, closing = entries[-1].partition("\n\n")
    return Segments(opening, (*entries[:-1], last.strip()), closing.strip())


def audience_name(entry: str) -> str:
    """Whom an entry of the list is about, in its own words: what stands before its first colon, dash, stop or "who"."""
    text = entry.strip().lstrip("*_# ")
    return _END_OF_NAME.split(text, maxsplit=1)[0].strip("*_ ")


def audience_words(name: str) -> frozenset[str]:
    """The words of an audience's name that tell it from others: casefolded, in the singular, without "of", "the", …"""
    words = (word.casefold() for word in _WORD.findall(name))
    return frozenset(_singular(word) for word in words if word not in _EMPTY_WORDS)


def overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """Words in common over words in either (Jaccard), 0 where there are none: 1 for "Home cooks" and "home cook"."""
    return len(first & second) / len(first | second) if first and second else 0.0


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")) else word
