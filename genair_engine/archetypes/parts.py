"""A part of a representation: vectors of one name, about items, users or sessions, and what made them.

No list of parts exists: a part is whatever somebody made and named. What reads a part again (for a new item, for another text)
asks what it `reads`, never its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from genair_engine.archetypes.prompts.kind import Unit
from genair_engine.errors import InputError

Reads = Literal["prompt", "answer", "metadata", "title", "text", "array"]
"""What a part's vectors are of. States of a language model: over the prompt, or over its answer. Vectors of an encoder: of the
metadata, of the title, or of a text set's texts. An array: made elsewhere, so that nothing new gets a row of it."""
OF_TEXTS = ("answer", "text")
"""What is of texts that somebody wrote."""

_NAME = re.compile(r"[a-z0-9][a-z0-9:_-]{0,39}")


@dataclass(frozen=True)
class Recipe:
    """What a part is made of, before it is. text_set: id of the set whose texts or states it is of."""

    name: str
    reads: Reads
    unit: Unit = "item"
    text_set: str | None = None


@dataclass(frozen=True)
class Part(Recipe):
    """A part that was made. columns: its width after PCA; explained: share of the variance that they hold. model, revision:
    whose states or vectors it is made of.
    """

    columns: int = 0
    explained: float = 1.0
    model: str = ""
    revision: str = ""

    def record(self) -> dict[str, Any]:
        """For the database: the inverse of `parts_of`."""
        return asdict(self)


def parts_of(records: Sequence[Mapping[str, Any]]) -> list[Part]:
    """The parts of a stored representation, in the order of their columns."""
    return [Part(**record) for record in records]


def check_names(names: Sequence[str]) -> None:
    """Raises InputError on a name that is none, or that stands twice."""
    for name in names:
        if not _NAME.fullmatch(name) or name in ("vectors", "states"):
            raise InputError(
                f"{name!r} cannot name a part: give up to 40 small letters, digits, ':', '_' and '-', and not 'vectors' or "
                "'states'."
            )
        if list(names).count(name) > 1:
            raise InputError(f"Two parts would be called {name!r}: give each its own name.")
