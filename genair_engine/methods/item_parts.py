"""The items' representation as a method reads it: named parts side by side, one of them left out or all on one scale by
option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from genair_engine.errors import InputError
from genair_engine.options import Options
from genair_engine.types import BoolArray, Float32Array


class PartOptions(Options):
    """Of every method that reads the items' representation."""

    without: str | None = Field(
        None, min_length=1, description="part of the representation that is left out (ablation); by default none"
    )
    scaling: Literal["none", "parts"] = Field(
        "none",
        description="of the representation: none = as PCA left it (the paper), parts = every part divided by its root mean "
        "square",
    )

    def departures(self) -> list[str]:
        return ["parts of the representation on one scale"] if self.scaling == "parts" else []


PAPER_PARTS = ("prefill", "decoding")
"""The parts of GenAIR's representation (eq. 6–7)."""


def part_departures(options: PartOptions, parts: Sequence[str]) -> list[str]:
    """In words, the parts that are read beside those of the paper."""
    return [
        f"{part} as one more part of the representation (extension)"
        for part in parts
        if part not in PAPER_PARTS and part != options.without
    ]


def part_options(options: Options) -> PartOptions:
    """The options as those of a method that reads item parts. Raises InputError for those of another."""
    if not isinstance(options, PartOptions):
        raise InputError("The method of this run reads no item representation.")
    return options


@dataclass(frozen=True, eq=False)
class ItemParts:
    """Item parts of a representation. vectors: [n_items, D], row k of item k + 1; dims: part → its columns, in their order.

    name: of the representation, for errors.
    """

    vectors: Float32Array
    dims: Mapping[str, int]
    name: str = "given here"

    @classmethod
    def of_one_part(cls, vectors: Float32Array, name: str = "given here") -> ItemParts:
        """Vectors that have no parts to tell apart."""
        return cls(vectors, {"vectors": vectors.shape[1]}, name)

    def kept(self, options: PartOptions) -> BoolArray:
        """[D] the columns that are read. Raises InputError where the part to leave out is not there, or is all there is."""
        parts = list(self.dims)
        if options.without is not None and (options.without not in parts or len(parts) == 1):
            raise InputError(
                f"Representation {self.name} holds {' and '.join(parts)}: leaving out {options.without} needs one that holds "
                "it and something else."
            )
        return np.repeat([part != options.without for part in parts], list(self.dims.values()))

    def read(self, options: PartOptions, rows: Float32Array | None = None) -> Float32Array:
        """[m, d] what a model reads of rows ([m, D]) of this representation, by default of the catalogue's.

        Also of new items, whose scale the catalogue's rows decide. Raises InputError as `kept`.
        """
        kept = self.kept(options)
        rows = self.vectors if rows is None else rows
        if options.scaling == "parts":
            rows = rows / self._scales()
        return rows if kept.all() else rows[:, kept]

    def _scales(self) -> Float32Array:
        """[D] the root mean square of each part, at each of its columns; 1 where a part is all zero."""
        ends = np.cumsum(list(self.dims.values()))
        parts = np.split(self.vectors, ends[:-1], axis=1)
        squares = [float(np.square(part, dtype=np.float64).mean()) if part.size else 0.0 for part in parts]
        scales = [np.sqrt(square) if square > 0 else 1.0 for square in squares]
        return np.repeat(scales, list(self.dims.values())).astype(np.float32)
