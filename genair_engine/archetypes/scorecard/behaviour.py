"""Behaviour agreement: do archetypes lie closer where users took both items?

AUC with which the cosine of two archetypes tells pairs that a user took together from random pairs of the same popularity.
Training interactions only, so that no held-out item has a say. A pair that is taken: a random user, two random items of
this user. Its random counterpart keeps the first item and takes, for the second, one of about the same popularity that no
user took together with the first. AUC = P(taken > random) + ½ P(equal); 0.5 means that archetypes know nothing of
behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from genair_engine.catalog.sequences import Sequences
from genair_engine.types import BoolArray, Float32Array, Float64Array, IntArray

PAIRS = 20_000
RESAMPLES = 500
CONFIDENCE = 0.95
_TRIES = 20
_NEAR = 0.01  # of the items by popularity, to each side: "about the same popularity"
_LEAST_NEAR = 5
_CHUNK = 64


@dataclass(frozen=True)
class Agreement:
    """auc with its 95 % interval (percentiles of a bootstrap over users) and the number of pairs of each sort; None: no
    pair."""

    auc: float | None
    low: float | None
    high: float | None
    pairs: int


def behaviour_agreement(
    vectors: Float32Array, positions: IntArray, train: Sequences, n_items: int, *, pairs: int = PAIRS, seed: int = 0
) -> Agreement:
    """The AUC for archetypes vectors [n, m] (unit length) of the items positions [n] (1 … n_items); the same for the same
    seed."""
    rng = np.random.default_rng(seed)
    row_of = np.full(n_items + 1, -1, dtype=np.int64)
    row_of[positions] = np.arange(len(positions))
    users, first, second = _taken_together(train, row_of >= 0, pairs, rng)
    other = _counterparts(train, row_of >= 0, first, second, rng)
    has_other = other > 0
    users, first, second, other = users[has_other], first[has_other], second[has_other], other[has_other]
    if len(users) == 0:
        return Agreement(None, None, None, 0)
    taken = _cosines(vectors, row_of[first], row_of[second])
    random = _cosines(vectors, row_of[first], row_of[other])
    _, groups = np.unique(users, return_inverse=True)
    drawn = rng.multinomial(groups.max() + 1, np.full(groups.max() + 1, 1 / (groups.max() + 1)), size=RESAMPLES)
    values = _auc(taken, random, np.concatenate([np.ones((1, len(groups))), drawn[:, groups]]))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(values[1:], [tail, 1 - tail])
    return Agreement(float(values[0]), float(low), float(high), len(users))


def _taken_together(
    train: Sequences, known: BoolArray, pairs: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray, IntArray]:
    """Users and two different items of theirs, for at most `pairs` draws of a user; only items that are known count."""
    of_known = known[train.items]
    events = np.unique(train.users[of_known] * len(known) + train.items[of_known])  # (user, item), each once, by user
    counts = np.bincount(events // len(known), minlength=len(train))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    able = np.flatnonzero(counts >= 2)
    if len(able) == 0:
        return able, able, able
    users = rng.choice(able, size=pairs)
    first = rng.integers(0, counts[users])
    second = (first + rng.integers(1, counts[users])) % counts[users]
    return users, events[starts[users] + first] % len(known), events[starts[users] + second] % len(known)


def _counterparts(train: Sequences, known: BoolArray, first: IntArray, second: IntArray, rng: np.random.Generator) -> IntArray:
    """For each pair an item about as popular as the second, never taken by a user of the first; 0 where none was found."""
    popularity = np.bincount(train.items, minlength=len(known))
    order = np.flatnonzero(known & (popularity > 0))
    order = order[np.argsort(popularity[order], kind="stable")]
    rank = np.zeros(len(known), dtype=np.int64)
    rank[order] = np.arange(len(order))
    near = max(_LEAST_NEAR, round(_NEAR * len(order)))
    low, high = np.maximum(rank[second] - near, 0), np.minimum(rank[second] + near, len(order) - 1)
    takers = sparse.csr_array((np.ones(len(train.items), np.float32), (train.items, train.users)), (len(known), len(train)))
    chosen = np.zeros(len(first), dtype=np.int64)
    open_pairs = np.arange(len(first))
    for _ in range(_TRIES):
        if len(open_pairs) == 0:
            break
        tried = order[rng.integers(low[open_pairs], high[open_pairs] + 1)]
        shared: Float32Array = np.asarray(takers[first[open_pairs]].multiply(takers[tried]).sum(axis=1)).ravel()
        fits = (shared == 0) & (tried != first[open_pairs])
        chosen[open_pairs[fits]] = tried[fits]
        open_pairs = open_pairs[~fits]
    return chosen


def _cosines(vectors: Float32Array, a: IntArray, b: IntArray) -> Float32Array:
    return np.asarray(np.einsum("ij,ij->i", vectors[a], vectors[b]), dtype=np.float32)


def _auc(taken: Float32Array, random: Float32Array, weights: npt.NDArray[np.floating]) -> Float64Array:
    """[r] AUC under each of the weightings [r, pairs] of the pairs, ties counted half; nan where all weights are zero."""
    levels, level = np.unique(np.concatenate([taken, random]), return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(level, minlength=len(levels)))[:-1]])
    result = np.empty(len(weights))
    for begin in range(0, len(weights), _CHUNK):
        chunk = weights[begin : begin + _CHUNK].astype(np.float64)
        nothing = np.zeros_like(chunk)
        of_taken = np.add.reduceat(np.concatenate([chunk, nothing], axis=1)[:, order], starts, axis=1)
        of_random = np.add.reduceat(np.concatenate([nothing, chunk], axis=1)[:, order], starts, axis=1)
        below = np.cumsum(of_random, axis=1) - 0.5 * of_random
        total = chunk.sum(axis=1)
        with np.errstate(invalid="ignore"):
            result[begin : begin + _CHUNK] = (of_taken * below).sum(axis=1) / total**2
    return result
