"""The catalogue and its interaction log as the engine sees them: items 1…n, one chronological sequence a user.

Item index 0 is padding everywhere in the engine; the items' source ids stay in the items table. Held-out items never
reach a training signal: `Dataset.split` is the only place that decides what is held out (leave-two-out: the last item
is the test target, the second last the validation target; methods.md section 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from genair_engine.catalog.facets import Facets
from genair_engine.catalog.popularity import POPULARITY_GROUPS
from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError
from genair_engine.types import IntArray, ItemArray


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
        return Facets(self.items, self.popularity_group)

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
