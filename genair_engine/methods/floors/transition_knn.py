"""Transition-kNN: what followed the items of the history, as in the sequential kNN of Ludewig & Jannach (UMUAI 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from genair_engine.methods.base import FLOOR, BuildContext, Method, Source
from genair_engine.methods.floors.neighbours import NeighbourOptions, from_arrays, square, to_arrays

if TYPE_CHECKING:
    from scipy import sparse

    from genair_engine.catalog.dataset import Dataset


class TransitionOptions(NeighbourOptions):
    """Of transition-kNN."""

    window: int = Field(10, ge=1, le=10_000, description="items at most this many positions behind count as following [items]")
    backward: float = Field(0.25, ge=0, le=1, description="what a step counts for in the other direction (0: only forwards)")


class TransitionKNN(Method[TransitionOptions]):
    """How often an item came after another within a window, the nearer the more, summed over the history with a decay."""

    name = "transition-knn"
    purpose = "what followed the history's items"
    source = Source("paper", "Ludewig & Jannach, UMUAI 2018")
    options = TransitionOptions
    tags = FLOOR

    def fit(self, context: BuildContext[TransitionOptions]) -> dict[str, Any]:
        return to_arrays(transitions(context.training_data(), context.options))

    def build(self, context: BuildContext[TransitionOptions]) -> Any:
        from genair_engine.methods.floors.scores import Neighbours

        return Neighbours(from_arrays(context.fitted, context.n_items), context.options.decay)


def transitions(dataset: Dataset, options: TransitionOptions) -> sparse.csr_array:
    """(N_ij + backward · N_ji) / (n_i + shrinkage): how often j came after i in training, among i's n_i interactions.

    [n_items + 1, n_items + 1]. N_ij adds 1 / d for every j that comes d ≤ window places after i in a user's sequence.
    """
    train = dataset.split.train
    items, users = train.items.astype(np.int64), train.users
    row, column, value = [], [], []
    for step in range(1, options.window + 1):
        pair = (users[step:] == users[:-step]) & (items[step:] != items[:-step])
        before, after = items[:-step][pair], items[step:][pair]
        row += [before, after]
        column += [after, before]
        value += [np.full(len(before), 1.0 / step), np.full(len(after), options.backward / step)]
    rows, values = np.concatenate(row), np.concatenate(value)
    values = values / (dataset.popularity[rows] + options.shrinkage)
    return square(rows, np.concatenate(column), values, dataset.n_items)
