"""What texts are written about: the items, users or sessions of a data set, with what a prompt tells of each.

Users and sessions are told by the training part of their sequences alone, so that no text knows a held-out item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from genair_engine.archetypes.prompts.kind import Unit
from genair_engine.catalog.dataset import Dataset

RECENT_ITEMS = 10
"""Items of a history that a prompt tells of, the newest."""


@dataclass(frozen=True)
class Subjects:
    """ids: [n] source ids, position k + 1 at k. labels: [n] how errors name them. attributes: [n] what a prompt tells."""

    ids: Sequence[str]
    labels: Sequence[str]
    attributes: Sequence[dict[str, str]]

    def __len__(self) -> int:
        return len(self.ids)


def subjects(dataset: Dataset, unit: Unit) -> Subjects:
    """All items, users or sessions (a sequence each) of a data set."""
    return _OF_UNIT[unit](dataset)


def item_labels(items: pd.DataFrame) -> list[str]:
    """How errors name items: source id and title."""
    pairs = zip(items["item_id"], items["title"], strict=True)
    return [f"item {item_id!r} ({title[:60] or 'no title'})" for item_id, title in pairs]


def _items(dataset: Dataset) -> Subjects:
    return Subjects(dataset.items["item_id"].tolist(), item_labels(dataset.items), dataset.items["attributes"].tolist())


def _users(dataset: Dataset) -> Subjects:
    known = dataset.users
    columns = [] if known is None else [name for name in known.columns if name != "user_id"]
    rows = {} if known is None else {row["user_id"]: row for row in known.to_dict("records")}
    attributes = [
        {name: str(rows[user][name]) for name in columns if user in rows and not pd.isna(rows[user][name])} | history
        for user, history in zip(dataset.user_ids, _histories(dataset), strict=True)
    ]
    return Subjects(dataset.user_ids, [f"user {user!r}" for user in dataset.user_ids], attributes)


def _sessions(dataset: Dataset) -> Subjects:
    return Subjects(dataset.user_ids, [f"session of {user!r}" for user in dataset.user_ids], _histories(dataset))


def _histories(dataset: Dataset) -> list[dict[str, str]]:
    """The titles of each training sequence's newest items, oldest first: {"choice 1": …}."""
    titles, ids = dataset.items["title"].tolist(), dataset.items["item_id"].tolist()
    train = dataset.split.train
    return [
        {f"choice {number}": titles[item - 1] or ids[item - 1] for number, item in enumerate(train[user][-RECENT_ITEMS:], 1)}
        for user in range(len(train))
    ]


_OF_UNIT: dict[Unit, Callable[[Dataset], Subjects]] = {"item": _items, "user": _users, "session": _sessions}
