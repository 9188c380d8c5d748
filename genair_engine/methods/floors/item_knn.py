"""Item-kNN: items that share users with the items of the history (Sarwar et al., WWW 2001)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genair_engine.methods.base import FLOOR, BuildContext, Method, Source
from genair_engine.methods.floors.neighbours import NeighbourOptions, from_arrays, square, to_arrays

if TYPE_CHECKING:
    from scipy import sparse

    from genair_engine.catalog.dataset import Dataset


class ItemKNN(Method[NeighbourOptions]):
    """Cosine of the items' user columns, shrunk, summed over the history with a decay."""

    name = "item-knn"
    purpose = "users in common with the history's items"
    source = Source("paper", "Sarwar et al., WWW 2001")
    options = NeighbourOptions
    tags = FLOOR

    def fit(self, context: BuildContext[NeighbourOptions]) -> dict[str, Any]:
        return to_arrays(shared_users(context.training_data(), context.options.shrinkage))

    def build(self, context: BuildContext[NeighbourOptions]) -> Any:
        from genair_engine.methods.floors.scores import Neighbours

        return Neighbours(from_arrays(context.fitted, context.n_items), context.options.decay)


def shared_users(dataset: Dataset, shrinkage: float) -> sparse.csr_array:
    """Shrunk cosine: |U_i ∩ U_j| / (√(|U_i| |U_j|) + shrinkage), U_i the users who took item i in training.

    [n_items + 1, n_items + 1]. shrinkage 0 is the plain cosine. Memory: the pairs of items that share a user.
    """
    from scipy import sparse

    train = dataset.split.train
    taken = sparse.csr_array(
        (np.ones(len(train.items), dtype=np.float32), (train.users, train.items)), shape=(len(train), dataset.n_items + 1)
    )
    taken.data[:] = 1.0  # building the matrix added repeated interactions up; a user counts once
    users = np.bincount(taken.indices, minlength=dataset.n_items + 1)
    together = (taken.T @ taken).tocoo()
    apart = together.row != together.col
    row, column = together.row[apart], together.col[apart]
    value = together.data[apart] / (np.sqrt(users[row] * users[column]) + shrinkage)
    return square(row, column, value, dataset.n_items)
