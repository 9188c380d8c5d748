"""The parts of an archetype: an opening, the audience segments it lists, and a closing (methods.md 3.1).

The paper's prompt makes models answer with a numbered list of audiences between two paragraphs. Nothing guarantees
that: a text that does not list anything is all opening, and what a model leaves out is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARKER = re.compile(r"\s*(?:[*_#]+\s*)?(\d{1,2})[.)](?=[\s*_])\s*(.*)")


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
