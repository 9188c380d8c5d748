"""What neighbourhood floors share: similarities between items, kept as arrays, and the weights of a history's items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from genair_engine.methods.item_parts import PartOptions
from genair_engine.options import Options
from genair_engine.types import IntArray

if TYPE_CHECKING:
    from scipy import sparse

    from genair_engine.catalog.sequences import Sequences

Arrays = Mapping[str, npt.NDArray[Any]]


class NeighbourOptions(Options):
    """Of floors that sum similarities over the history."""

    shrinkage: float = Field(
        10.0,
        ge=0,
        description="observations that a similarity counts beside its own: much evidence beats little [interactions]",
    )
    decay: float = Field(0.7, gt=0, le=1, description="weight of an item of the history relative to the one after it")


class MixtureOptions(PartOptions):
    """Of floors that add a neighbours' score to the content's."""

    content_decay: float = Field(0.5, gt=0, le=1, description="as decay, for the content's share of the score")


def square(row: IntArray, column: IntArray, value: npt.NDArray[np.floating], n_items: int) -> sparse.csr_array:
    """[n_items + 1, n_items + 1] similarities; values of a pair that is given more than once are summed."""
    from scipy import sparse

    matrix = sparse.csr_array((value.astype(np.float32), (row, column)), shape=(n_items + 1, n_items + 1))
    matrix.eliminate_zeros()
    return matrix


def to_arrays(similarity: sparse.csr_array) -> dict[str, npt.NDArray[Any]]:
    """The matrix as arrays for an artifact."""
    return {"values": similarity.data, "columns": similarity.indices, "rows": similarity.indptr}


def from_arrays(arrays: Arrays, n_items: int) -> sparse.csr_array:
    """The matrix that `to_arrays` gave."""
    from scipy import sparse

    shape = (n_items + 1, n_items + 1)
    return sparse.csr_array((arrays["values"], arrays["columns"], arrays["rows"]), shape=shape)


def recency_weights(histories: Sequences, width: int, decay: float) -> sparse.csr_array:
    """[n, width] float32: decay^age summed over an item's places in each of n histories; rows sum to 1 (0 when empty)."""
    from scipy import sparse

    age = np.repeat(histories.offsets[1:], histories.lengths) - 1 - np.arange(len(histories.items))
    weight = np.power(decay, age.astype(np.float64))
    rows = histories.users
    total = np.bincount(rows, weights=weight, minlength=len(histories))
    weight = (weight / total[rows]).astype(np.float32)
    return sparse.csr_array((weight, (rows, histories.items)), shape=(len(histories), width))
