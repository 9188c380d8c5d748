"""The catalogue and its interaction log as the engine sees them: items 1…n, one chronological sequence a user.

Item index 0 is padding everywhere in the engine; the items' source ids stay in the items table. Sequences are CSR
arrays, so that everything built from them (splits, batches, popularity, co-occurrence) is plain indexing. Held-out
items never reach a training signal: `Dataset.split` is the only place that decides what is held out (leave-two-out:
the last item is the test target, the second last the validation target; methods.md section 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from genair_engine.catalog.facets import Facets
from genair_engine.errors import InputError

IntArray = npt.NDArray[np.int64]
ItemArray = npt.NDArray[np.int32]

POPULARITY_GROUPS = 5
"""Quintiles of the training counts, as in the paper's figure 5; group 1 holds the least popular items."""


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

    def padded(self, users: IntArray, max_len: int) -> npt.NDArray[np.int64]:
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


@dataclass(frozen=True, eq=False)
class Split:
    """Leave-two-out: what may be trained on, and what is held out.

    train: sequences of all users (a user with fewer than three events trains whole and is not evaluated).
    users: [n_eval] the evaluated users. valid, test: [n_eval] their held-out items, second last and last.
    """

    train: Sequences
    users: IntArray
    valid: ItemArray
    test: ItemArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """A catalogue with its interactions, read-only.

    name: the workspace's name for it.
    items: [n_items] rows; row k is item index k + 1. Columns: `item_id` (source id, str, unique), `title`, `brand`,
        `categories`, `description` (str, "" where unknown) and `attributes` (dict of str to str: every metadata field
        that has a value, as the source gave it and in its order; what prompts are made of).
    sequences: one chronological row a user, in the order of `user_ids`.
    user_ids: [n_users] source ids.
    users: attributes of users (column `user_id` and the source's own), or None.
    triples: knowledge-graph triples (columns `head`, `relation`, `tail`), or None.
    links: which item is which entity (columns `item_id`, `entity`), or None.
    provenance: source files with their sha256, format, reading options.
    """

    name: str
    items: pd.DataFrame
    sequences: Sequences
    user_ids: list[str]
    users: pd.DataFrame | None = None
    triples: pd.DataFrame | None = None
    links: pd.DataFrame | None = None
    provenance: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.items) == 0:
            raise InputError(f"Dataset {self.name!r} has no items.")
        if len(self.sequences.items) == 0:
            raise InputError(f"Dataset {self.name!r} has no interactions.")
        if self.sequences.items.min() < 1 or self.sequences.items.max() > self.n_items:
            raise InputError(f"Dataset {self.name!r}: an interaction names an item outside 1…{self.n_items}.")
        if len(self.user_ids) != len(self.sequences):
            raise InputError(f"Dataset {self.name!r}: {len(self.user_ids)} user ids for {len(self.sequences)} sequences.")

    @property
    def n_items(self) -> int:
        return len(self.items)

    @property
    def n_users(self) -> int:
        return len(self.sequences)

    @property
    def n_interactions(self) -> int:
        return len(self.sequences.items)

    @cached_property
    def position_of(self) -> pd.Series[int]:
        """Item index 1…n_items by source id."""
        return pd.Series(range(1, self.n_items + 1), index=self.items["item_id"])

    @cached_property
    def facets(self) -> Facets:
        """What lists of its items can be narrowed to."""
        return Facets(self)

    @cached_property
    def split(self) -> Split:
        """Leave-two-out split; users with fewer than three events are only trained on."""
        users = np.flatnonzero(self.sequences.lengths >= 3).astype(np.int64)
        ends = self.sequences.offsets[users + 1]
        drop = np.where(self.sequences.lengths >= 3, 2, 0)
        return Split(
            train=self.sequences.without_last(drop),
            users=users,
            valid=self.sequences.items[ends - 2],
            test=self.sequences.items[ends - 1],
        )

    @cached_property
    def popularity(self) -> IntArray:
        """[n_items + 1] int64: training interactions of every item; entry 0 (padding) is 0."""
        return np.bincount(self.split.train.items, minlength=self.n_items + 1).astype(np.int64)

    @cached_property
    def popularity_group(self) -> IntArray:
        """[n_items + 1] int64: quintile of the training count, 1 (least popular) … 5 (most popular); entry 0 is 0.

        Items are ranked by count, ties by index, and cut into five groups of equal size.
        """
        order = np.argsort(self.popularity[1:], kind="stable")
        group = np.zeros(self.n_items + 1, dtype=np.int64)
        group[order + 1] = np.arange(self.n_items) * POPULARITY_GROUPS // self.n_items + 1
        return group
