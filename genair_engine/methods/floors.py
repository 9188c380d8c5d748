"""Floors: recommenders without training, which every table lists and a neural model has to beat.

Popularity; item-kNN (Sarwar et al., WWW 2001; cosine of the items' user columns); transition-kNN (which item follows which,
as in the sequential kNN of Ludewig & Jannach, UMUAI 2018); similarity of item content; and content mixed with either kNN. All
counts come from the training part, so that held-out items never change a score; a history is what the caller shows.

Two rules are common to all. An item of the history weighs decay^age (the last one has age 0), weights of a user sum to 1. And
a count c that rests on n observations is taken as c / (n + shrinkage), so that a pair seen once in an item's only
interaction does not beat one seen a hundred times. The defaults were chosen by NDCG@10 of full ranking on the *validation*
items of amazon-scientific (4,344 items, 8,317 users; content: MiniLM vectors), from a coarse grid; test items were not used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.types import IntArray

Representation = npt.NDArray[np.float32]


class Popularity:
    """Every item's number of training interactions, whoever asks."""

    reads = None  # the whole session

    def __init__(self, dataset: Dataset) -> None:
        self.counts = torch.from_numpy(dataset.popularity).float()

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32, or [B, m] of `items`; the same for every session."""
        return (self.counts if items is None else self.counts[items]).repeat(len(sessions), 1)


class Neighbours:
    """Σ over the history of decay^age · similarity(item, candidate).

    similarity: sparse [n_items + 1, n_items + 1], row: item of the history, column: candidate. decay: in (0, 1]; 1 weighs
    the whole history alike.
    """

    reads = None  # the whole session

    def __init__(self, similarity: sparse.csr_array, decay: float) -> None:
        self.similarity = similarity
        self.decay = decay

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32, or [B, m] of `items`."""
        weights = recency_weights(sessions.histories, self.similarity.shape[0], self.decay)
        similarity = self.similarity if items is None else self.similarity[:, items.numpy()]
        return torch.from_numpy((weights @ similarity).toarray())


class Content:
    """Cosine between an item's vector and the recency-weighted mean of the history's unit vectors, up to the mean's length.

    representation: [n_items, D]; an item whose vector is zero scores 0 everywhere. Raises InputError when the number of
    rows is not the data set's number of items.
    """

    reads = None  # the whole session

    def __init__(self, dataset: Dataset, representation: Representation, decay: float = 0.5) -> None:
        if len(representation) != dataset.n_items:
            raise InputError(f"The representation has {len(representation)} rows for {dataset.n_items} items.")
        length = np.linalg.norm(representation, axis=1, keepdims=True)
        unit = representation / np.where(length > 0, length, 1.0)
        self.vectors = np.vstack([np.zeros_like(unit[:1]), unit]).astype(np.float32)
        self.decay = decay

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32 in [−1, 1], or [B, m] of `items`."""
        weights = recency_weights(sessions.histories, len(self.vectors), self.decay)
        vectors = self.vectors if items is None else self.vectors[items.numpy()]
        return torch.from_numpy((weights @ self.vectors) @ vectors.T)


class Mixed:
    """Content score plus `weight` times the neighbours' score.

    Neither is rescaled: a pair's similarity grows with the evidence for it, and so does the neighbours' share.
    """

    reads = None  # the whole session

    def __init__(self, content: Content, neighbours: Neighbours, weight: float) -> None:
        self.content = content
        self.neighbours = neighbours
        self.weight = weight

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32, or [B, m] of `items`."""
        return self.content.score(sessions, items).add_(self.neighbours.score(sessions, items), alpha=self.weight)


def item_knn(dataset: Dataset, shrinkage: float = 10.0, decay: float = 0.7) -> Neighbours:
    """Shrunk cosine: |U_i ∩ U_j| / (√(|U_i| |U_j|) + shrinkage), U_i the users who took item i in training.

    shrinkage 0 and decay 1 are the plain cosine summed over the history. Memory: the pairs of items that share a user.
    """
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
    return Neighbours(_square(row, column, value, dataset.n_items), decay)


def transition_knn(
    dataset: Dataset, window: int = 10, backward: float = 0.25, shrinkage: float = 10.0, decay: float = 0.7
) -> Neighbours:
    """(N_ij + backward · N_ji) / (n_i + shrinkage): how often j came after i in training, among i's n_i interactions.

    N_ij adds 1 / d for every j that comes d ≤ window places after i in a user's sequence. backward: what a step counts for
    in the other direction (0: only forwards).
    """
    train = dataset.split.train
    items, users = train.items.astype(np.int64), train.users
    row, column, value = [], [], []
    for step in range(1, window + 1):
        pair = (users[step:] == users[:-step]) & (items[step:] != items[:-step])
        before, after = items[:-step][pair], items[step:][pair]
        row += [before, after]
        column += [after, before]
        value += [np.full(len(before), 1.0 / step), np.full(len(after), backward / step)]
    rows, values = np.concatenate(row), np.concatenate(value)
    values = values / (dataset.popularity[rows] + shrinkage)
    return Neighbours(_square(rows, np.concatenate(column), values, dataset.n_items), decay)


def recency_weights(histories: Sequences, width: int, decay: float) -> sparse.csr_array:
    """[n, width] float32: decay^age summed over an item's places in each of n histories; rows sum to 1 (0 when empty)."""
    age = np.repeat(histories.offsets[1:], histories.lengths) - 1 - np.arange(len(histories.items))
    weight = np.power(decay, age.astype(np.float64))
    rows = histories.users
    total = np.bincount(rows, weights=weight, minlength=len(histories))
    weight = (weight / total[rows]).astype(np.float32)
    return sparse.csr_array((weight, (rows, histories.items)), shape=(len(histories), width))


def _square(row: IntArray, column: IntArray, value: npt.NDArray[np.floating], n_items: int) -> sparse.csr_array:
    matrix = sparse.csr_array((value.astype(np.float32), (row, column)), shape=(n_items + 1, n_items + 1))
    matrix.eliminate_zeros()
    return matrix


Floor = Popularity | Neighbours | Content | Mixed


@dataclass(frozen=True)
class FloorBuilder:
    """A floor by name: called with a data set and, where it needs one, a representation ([n_items, D])."""

    name: str
    purpose: str
    needs_representation: bool
    build: Callable[[Dataset, Representation], Floor]

    def __call__(self, dataset: Dataset, representation: Representation | None = None) -> Floor:
        """The floor, ready to score. Raises InputError where the representation is missing or does not fit."""
        if representation is None:
            if self.needs_representation:
                raise InputError(f"The floor {self.name!r} needs an item representation: make one with `represent`.")
            representation = np.empty((0, 0), dtype=np.float32)
        return self.build(dataset, representation)


FLOORS = {
    floor.name: floor
    for floor in (
        FloorBuilder("popularity", "training interactions of the item", False, lambda data, _: Popularity(data)),
        FloorBuilder("item-knn", "users in common with the history's items", False, lambda data, _: item_knn(data)),
        FloorBuilder("transition-knn", "what followed the history's items", False, lambda data, _: transition_knn(data)),
        FloorBuilder("content", "similarity to the history's content", True, lambda data, vectors: Content(data, vectors)),
        FloorBuilder(
            "content-item-knn",
            "content mixed with item-knn",
            True,
            lambda data, vectors: Mixed(Content(data, vectors), item_knn(data), weight=10.0),
        ),
        FloorBuilder(
            "content-transition-knn",
            "content mixed with transition-knn",
            True,
            lambda data, vectors: Mixed(Content(data, vectors), transition_knn(data), weight=20.0),
        ),
    )
}
