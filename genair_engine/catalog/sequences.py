"""Item sequences as CSR arrays, so that what is built from them (split, batches, popularity, pairs) is plain indexing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genair_engine.types import IntArray, ItemArray


@dataclass(frozen=True, eq=False)
class Sequences:
    """One item sequence a user, oldest first, in compressed rows.

    items: [n_events] int32, item indices 1…n.
    offsets: [n_users + 1] int64; user u owns items[offsets[u]:offsets[u + 1]].
    """

    items: ItemArray
    offsets: IntArray

    @classmethod
    def from_lists(cls, sequences: Iterable[Iterable[int]]) -> Sequences:
        """Sequences from Python lists of item indices; for tests and small inputs."""
        rows = [np.asarray(list(row), dtype=np.int32) for row in sequences]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        items = np.concatenate(rows) if rows else np.empty(0, dtype=np.int32)
        return cls(items.astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, user: int) -> ItemArray:
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    @cached_property
    def lengths(self) -> IntArray:
        """[n_users] int64, events per user."""
        return np.diff(self.offsets)

    @cached_property
    def users(self) -> IntArray:
        """[n_events] int64, the user of every event."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def without_last(self, drop: IntArray) -> Sequences:
        """The same users with their last `drop[u]` events removed ([n_users] int, at most the user's length)."""
        keep = self.lengths - drop
        position = np.arange(len(self.items)) - np.repeat(self.offsets[:-1], self.lengths)
        return Sequences(
            self.items[position < np.repeat(keep, self.lengths)],
            np.concatenate([[0], np.cumsum(keep)]).astype(np.int64),
        )

    def take(self, users: IntArray) -> Sequences:
        """The sequences of `users` ([k] int), in that order."""
        lengths = self.lengths[users]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths) + np.repeat(self.offsets[users], lengths)
        return Sequences(self.items[index], offsets)

    def padded(self, users: IntArray, max_len: int) -> IntArray:
        """[k, T] int64: the last `max_len` items of `users`, padded with 0 on the right.

        T is the longest kept length (at least 1): a batch is never wider than its own sequences need.
        """
        lengths = np.minimum(self.lengths[users], max_len)
        width = max(int(lengths.max(initial=0)), 1)
        column = np.arange(width)
        start = self.offsets[users + 1] - lengths
        mask = column < lengths[:, None]
        index = np.where(mask, start[:, None] + column, 0)
        values = self.items[index] if len(self.items) else np.zeros(index.shape, dtype=np.int32)
        return np.where(mask, values, 0).astype(np.int64)
