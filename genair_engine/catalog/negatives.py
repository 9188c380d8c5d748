"""Evaluation negatives: a fixed set of items per user that the user never met (methods.md section 1 a).

Drawn once, from a seed, and shared by all methods, so that their results can be compared user by user. Randomness is
a hash of (seed, user, draw) instead of a generator's state (SplitMix64; Steele, Lea, Flood 2014): a user's draw
depends on nothing but the user's own list and the catalogue's size; evaluating further users changes no earlier row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genair_engine.catalog.sequences import Sequences
from genair_engine.types import IntArray, ItemArray

HashArray = npt.NDArray[np.uint64]

COUNT = 100
SEED = 0
"""What every data set's negatives are drawn with at import; the protocol reports both."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_CELLS = 1 << 22
"""Array elements worked on at once: bounds the memory."""


def draw_negatives(sequences: Sequences, users: IntArray, n_items: int, count: int = COUNT, seed: int = SEED) -> ItemArray:
    """[n_eval, count] int32: distinct items of 1…n_items for each of `users`, none of them in the user's list.

    Uniform over the items outside the user's full list, held-out items included. A user with fewer than `count` such
    items gets all of them, in random order, and 0 behind them.
    """
    result = np.zeros((len(users), count), dtype=np.int32)
    lengths = sequences.lengths[users]
    # Rejection needs most items to be free, and enough of them; otherwise the whole catalogue is shuffled.
    dense = 2 * (lengths + count) > n_items
    for rows, width, draw in (
        (np.flatnonzero(dense), n_items, _shuffled),
        (np.flatnonzero(~dense), 4 * count, _rejected),
    ):
        step = max(1, _CELLS // width)
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            result[chunk] = draw(sequences.take(users[chunk]), _streams(users[chunk], seed), n_items, count)
    return result


def _shuffled(met: Sequences, streams: HashArray, n_items: int, count: int) -> ItemArray:
    """The catalogue in random order, items met behind all others; cut to `count`, 0 where none is left."""
    keys = _random(streams, np.arange(1, n_items + 1)) >> np.uint64(1)
    keys[met.users, met.items - 1] = np.iinfo(np.uint64).max
    order = np.argsort(keys, axis=1, kind="stable")[:, :count]
    free = np.take_along_axis(keys, order, axis=1) < np.iinfo(np.uint64).max
    result = np.zeros((len(met), count), dtype=np.int32)
    result[:, : order.shape[1]] = np.where(free, order + 1, 0)
    return result


def _rejected(met: Sequences, streams: HashArray, n_items: int, count: int) -> ItemArray:
    """The first `count` distinct draws that the user has not met; users who need more go into the next round."""
    result = np.zeros((len(met), count), dtype=np.int32)
    open_rows = np.arange(len(met))
    draws = 0
    while len(open_rows):
        draws += 2 * count
        drawn = (_random(streams[open_rows], np.arange(1, draws + 1)) % np.uint64(n_items)).astype(np.int64) + 1
        listed = met.take(open_rows)
        row = np.repeat(np.arange(len(open_rows)), draws)
        cell = np.concatenate([listed.users, row]) * (n_items + 1) + np.concatenate([listed.items, drawn.ravel()])
        first = np.zeros(len(cell), dtype=bool)
        first[np.unique(cell, return_index=True)[1]] = True
        new = first[len(listed.items) :].reshape(drawn.shape)
        done = np.flatnonzero(new.sum(axis=1) >= count)
        kept = new[done] & (np.cumsum(new[done], axis=1) <= count)
        result[open_rows[done]] = drawn[done][kept].reshape(-1, count)
        open_rows = np.delete(open_rows, done)
    return result


def _streams(users: IntArray, seed: int) -> HashArray:
    """[n] a random stream's state for each user of this seed."""
    start = _mix(np.array([seed % 2**64], dtype=np.uint64) + _GOLDEN)
    return _mix(start + (users.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def _random(streams: HashArray, draws: IntArray) -> HashArray:
    """[n, n_draws] the numbered draws of every stream."""
    return _mix(streams[:, None] + draws.astype(np.uint64) * _GOLDEN)


def _mix(state: HashArray) -> HashArray:
    """SplitMix64's output function."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
