"""Numbers and ages in a text, with their values: what "grounding" compares with an item's metadata.

An age is a number, or a range, after "ages" or before "years old", "months and up" or the like; every other free-standing
number, with or without a unit, is a number. List numbers, ordinals, "3D" and codes ("X568") are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from genair_engine.archetypes.scorecard.words import list_numbers

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_RANGE = rf"(?:{_NUMBER})(?:\s*(?:-|‑|–|—|to|and)\s*(?:{_NUMBER}))?"
_AGE = re.compile(
    rf"(?<![\w.])(?:ages?|aged)\s+(?P<after>{_RANGE})(?![\w])\+?"
    rf"|(?<![\w.])(?P<before>{_RANGE})\+?[\s\-‑]*(?:years?|yrs?|months?|mos)[\s\-‑]*"
    r"(?:olds?|of age|and (?:up|older|under|over))\b",
    re.IGNORECASE,
)
_FREE = re.compile(rf"(?<![\w.,])(?<![A-Za-z]-)(?:{_NUMBER})(?!(?:st|nd|rd|th|d)\b)(?=[^\W\d_]{{0,4}}(?![\w]))", re.IGNORECASE)
_SINGLE = re.compile(_NUMBER)


@dataclass(frozen=True)
class Figure:
    """A number or an age (a range has two values) at text[start:end]."""

    start: int
    end: int
    kind: Literal["age", "number"]
    values: tuple[float, ...]


def figures_of(text: str) -> list[Figure]:
    """Ages and numbers in the order of the text, none of them twice."""
    taken = list_numbers(text)
    figures: list[Figure] = []
    for match in _AGE.finditer(text):
        figures.append(Figure(match.start(), match.end(), "age", _values(match["after"] or match["before"])))
    taken += [(figure.start, figure.end) for figure in figures]
    for match in _FREE.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in taken):
            figures.append(Figure(match.start(), match.end(), "number", _values(match[0])))
    return sorted(figures, key=lambda figure: figure.start)


def numbers_in(text: str) -> set[float]:
    """Every number that stands in the text anywhere, also inside of codes and dates: what may support a claim."""
    return set(_values(text))


def _values(text: str) -> tuple[float, ...]:
    return tuple(float(number.replace(",", "")) for number in _SINGLE.findall(text))
