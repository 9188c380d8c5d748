"""Marks inside a text that is not ours: claims without support, and what changed between two versions.

`st.text` cannot mark. So the text becomes Markdown in which every character of it is escaped (`text.plain`) and only the marks
are Markdown: what a language model wrote can neither end a mark nor begin one. Line breaks stay, white space inside a line
becomes one blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from app.ui.text import plain
from genair_engine import verbs

_STYLES = {"same": "{}", "removed": ":red-background[~~{}~~]", "added": ":green-background[**{}**]"}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_BREAKS = re.compile(r"(\s*\n\s*)")


def raised(number: int) -> str:
    """A number as a superscript."""
    return str(number).translate(_RAISED)


def unsupported(scores: verbs.TextScores | None) -> list[verbs.MarkedClaim]:
    """The claims that the item's metadata do not hold, in the order of the text; their marks are numbered from 1."""
    return [claim for claim in scores.claims if not claim.supported] if scores else []


def parts(text: str, wanted: Sequence[str], claims: Sequence[verbs.MarkedClaim]) -> list[str]:
    """Parts of a text (its opening, audiences, …, in its order) as Markdown, with the claims [of the whole text] marked.

    A part may differ from its place in the text in white space.
    """
    marks = [0] * len(text)
    for number, claim in enumerate(claims, start=1):
        marks[claim.start : claim.end] = [number] * (claim.end - claim.start)
    letters = [place for place, letter in enumerate(text) if not letter.isspace()]
    squeezed = "".join(text[place] for place in letters)
    pieces, begin = [], 0
    for part in wanted:
        own = "".join(part.split())
        begin = max(squeezed.find(own, begin), 0)
        pieces.append(_marked(part, [marks[place] for place in letters[begin : begin + len(own)]]))
        begin += len(own)
    return pieces


def _marked(part: str, marks: Sequence[int]) -> str:
    """marks: the number of the claim, or 0, of each letter that is no white space."""
    numbered: list[tuple[str, int]] = []
    letters = iter(marks)
    for letter in part:
        numbered.append((letter, -1 if letter.isspace() else next(letters)))
    for place, (letter, mark) in enumerate(numbered):  # blanks inside a claim belong to it
        if mark == -1:
            before = numbered[place - 1][1] if place else 0
            after = next((number for _, number in numbered[place:] if number != -1), 0)
            numbered[place] = (letter, before if before == after else 0)
    runs = [(mark, "".join(letter for letter, _ in run)) for mark, run in groupby(numbered, key=lambda pair: pair[1])]
    return _markdown((f":orange-background[{{}}{raised(mark)}]" if mark else "{}", run) for mark, run in runs)


def difference(old: str, new: str) -> str:
    """What changed from old to new, word by word, as Markdown: removed words struck through, added ones bold."""
    return _markdown((_STYLES[change], words) for change, words in verbs.word_diff(old, new))


def _markdown(runs: Iterable[tuple[str, str]]) -> str:
    """Runs of text, each in its style (a pattern with {} for the text), as Markdown."""
    lines = [""]
    for style, run in runs:
        for piece in _BREAKS.split(run):
            if _BREAKS.fullmatch(piece):
                lines += [""] * min(piece.count("\n"), 2)
            elif escaped := plain(piece):
                before = " " if piece[0].isspace() and lines[-1] else ""
                after = " " if piece[-1].isspace() else ""
                lines[-1] += before + style.replace("{}", escaped) + after
            elif piece and lines[-1]:
                lines[-1] += " "
    return "\n".join(f"{line.rstrip()}  " if line else "" for line in lines).strip()
