"""Word by word, what changed between two texts: for the history of an item's archetypes."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal

Change = Literal["same", "removed", "added"]

_TOKEN = re.compile(r"\s*\S+|\s+")
_SPACE = re.compile(r"\s*")


def word_diff(old: str, new: str) -> list[tuple[Change, str]]:
    """The way from old to new as (kind, words), words with the white space before them, neighbours of one kind joined.

    Words are compared, white space is not: the words of "same" and "added" joined are `new`, those of "same" and "removed" are
    `old` but for its white space.
    """
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    pieces: list[tuple[Change, str]] = []

    def add(kind: Change, tokens: list[str]) -> None:
        text = "".join(tokens)
        if text and pieces and pieces[-1][0] == kind:
            pieces[-1] = (kind, pieces[-1][1] + text)
        elif text:
            pieces.append((kind, text))

    old_words, new_words = ([token.strip() for token in tokens] for tokens in (before, after))
    for tag, a, a_end, b, b_end in SequenceMatcher(None, old_words, new_words, autojunk=False).get_opcodes():
        if tag == "equal":
            if pieces and not after[b][0].isspace():  # the new text's first word, and not the old one's
                add("removed", [_SPACE.match(before[a])[0]])  # type: ignore[index]  # it matches nothing, too
            add("same", after[b:b_end])
        else:
            add("removed", before[a:a_end])
            add("added", after[b:b_end])
    return pieces
