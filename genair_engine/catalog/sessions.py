"""Sessions: what a recommender is asked about. Items in order, and only where they are known users and further inputs.

An anonymous session has no user, and every recommender ranks it: one that reads users needs a way without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError
from genair_engine.types import IntArray


@dataclass(frozen=True, eq=False)
class Sessions:
    """n sessions. Raises InputError where users or an extra input are not n.

    histories: row k holds the items of session k, oldest first. users: [n] int64 rows of the data set's users, None where
    nobody says whose sessions these are. extras: what a method reads beside the items, by name, [n, …] each.
    """

    histories: Sequences
    users: IntArray | None = None
    extras: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {"users": self.users} if self.users is not None else {}
        for name, values in (given | dict(self.extras)).items():
            if len(values) != len(self.histories):
                raise InputError(f"{len(values)} {name} are given for {len(self.histories)} sessions: give one for each.")

    @classmethod
    def from_lists(cls, sessions: Iterable[Iterable[int]]) -> Sessions:
        """Anonymous sessions from lists of item indices."""
        return cls(Sequences.from_lists(sessions))

    @classmethod
    def of_users(cls, histories: Sequences, users: IntArray) -> Sessions:
        """The sessions of `users` ([n] rows of `histories`, which has a row for every user of the data set)."""
        return cls(histories.take(users), users)

    def __len__(self) -> int:
        return len(self.histories)

    def take(self, rows: IntArray) -> Sessions:
        """The sessions `rows` ([k] int), in that order."""
        users = None if self.users is None else self.users[rows]
        return Sessions(self.histories.take(rows), users, {name: values[rows] for name, values in self.extras.items()})

    def padded(self, max_len: int | None = None) -> npt.NDArray[np.int64]:
        """[n, T] int64: the last `max_len` items of every session (None: all), padded with 0 on the right (`Sequences`)."""
        longest = int(self.histories.lengths.max(initial=0))
        return self.histories.padded(np.arange(len(self)), longest if max_len is None else max_len)
