"""Interactions as they are read, piece by piece: checked, and kept as arrays of numbers instead of text.

A piece's rows with an empty id, an item that is not in the item table, or a number or time that is none are rejected; so
is, at the end, a repeated interaction. What is kept of an event is its user, its item, its time and its line, 24 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from genair_engine.catalog.readers.files import Rejection
from genair_engine.catalog.readers.meanings import Meaning
from genair_engine.catalog.readers.text_table import Row, TextTable
from genair_engine.catalog.sequences import Sequences
from genair_engine.types import BoolArray, Float64Array, IntArray, ItemArray

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class EventColumns:
    """What the columns of an interaction table mean. numbers: further columns that hold a number or nothing."""

    user: str
    item: str
    timestamp: str | None
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, meanings: Mapping[str, Meaning]) -> EventColumns:
        """From what a reader takes the columns for; user and item must be among them."""
        column = {meaning: name for name, meaning in meanings.items()}
        numbers = tuple(name for name, meaning in meanings.items() if meaning == "number")
        return cls(column["user"], column["item"], column.get("timestamp"), numbers)


class EventLog:
    """The valid interactions of a table.

    item_ids: of the item table whose items alone are known, and `items_file`, its name; None takes every item, in the order
    of its first appearance. repeats_count: whether an interaction that is there twice happened twice.
    """

    def __init__(
        self, columns: EventColumns, item_ids: Sequence[str] | None = None, items_file: str = "", repeats_count: bool = False
    ) -> None:
        self._columns = columns
        self._items_file = items_file
        self._repeats_count = repeats_count
        self._known_only = item_ids is not None
        self._item_numbers = {item_id: number for number, item_id in enumerate(item_ids or ())}
        self._user_numbers: dict[str, int] = {}
        self._holds_dates: bool | None = None
        self._users: list[npt.NDArray[np.int32]] = []
        self._items: list[ItemArray] = []
        self._times: list[Float64Array] = []
        self._identities: list[npt.NDArray[np.uint64]] = []
        self._lines: list[IntArray] = []

    def __len__(self) -> int:
        return sum(map(len, self._users))

    @property
    def item_ids(self) -> list[str]:
        """Of the item table, or in the order of appearance."""
        return list(self._item_numbers)

    def add(self, piece: TextTable, rejected: list[Rejection]) -> None:
        """Keeps a piece's valid rows."""
        piece, times = self._valid(piece, rejected)
        items = _numbers(piece.column(self._columns.item), self._item_numbers, self._known_only)
        unknown = items < 0
        reason = self._unknown_item
        piece, items, times = piece.without(unknown, reason, rejected), items[~unknown], times[~unknown]
        self._users.append(_numbers(piece.column(self._columns.user), self._user_numbers, False))
        self._items.append(items)
        if self._columns.timestamp is not None:
            self._times.append(times)
        if not self._repeats_count:
            self._lines.append(piece.rows.index.to_numpy(np.int64))
            if self._columns.timestamp is None:
                self._identities.append(pd.util.hash_pandas_object(piece.rows, index=False).to_numpy().astype(np.uint64))

    def sequences(
        self, pieces: Callable[[list[Rejection]], Iterable[TextTable]], rejected: list[Rejection]
    ) -> tuple[Sequences, list[str]]:
        """One chronological sequence a user, and the user ids in order of first appearance; ends the log.

        The log must not be empty. pieces: the table once more, for the text of repeated interactions, where there are any.
        """
        users, items = _taken(self._users), _taken(self._items)
        times = _taken(self._times) if self._columns.timestamp is not None else None
        if not self._repeats_count:
            lines = _taken(self._lines)
            identity: npt.NDArray[Any] = times if times is not None else _taken(self._identities)
            repeated = _repeated(users, items, identity)
            del identity
            if repeated.any():
                _reject(pieces, lines[repeated], "duplicate interaction; the first one is kept", rejected)
                users, items = users[~repeated], items[~repeated]
                times = times[~repeated] if times is not None else None
        order = np.argsort(users, kind="stable") if times is None else np.lexsort((times, users))
        lengths = np.bincount(users, minlength=len(self._user_numbers))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Sequences(items[order] + np.int32(1), offsets), list(self._user_numbers)

    def _valid(self, piece: TextTable, rejected: list[Rejection]) -> tuple[TextTable, Float64Array]:
        """The rows whose ids, numbers and timestamps can be read, and their time (all 0 where the table has none)."""
        columns = self._columns
        for kind, name in (("user", columns.user), ("item", columns.item)):
            piece = piece.without((piece.column(name) == "").to_numpy(bool), f"empty {kind} id (column {name!r})", rejected)
        for name in columns.numbers:
            text = piece.column(name)
            bad = ((text != "") & ~np.isfinite(pd.to_numeric(text, errors="coerce"))).to_numpy(bool)
            piece = piece.without(bad, _not_readable(name, "a number"), rejected)
        if columns.timestamp is None:
            return piece, np.zeros(len(piece))
        text = piece.column(columns.timestamp)
        if self._holds_dates is None and len(piece):
            self._holds_dates = _holds_dates(text)
        times: Float64Array = (_dates(text) if self._holds_dates else _times(text)).to_numpy().astype(np.float64)
        unreadable = ~np.isfinite(times)
        reason = _not_readable(columns.timestamp, "a number or an ISO 8601 date")
        return piece.without(unreadable, reason, rejected), times[~unreadable]

    def _unknown_item(self, row: Row) -> str:
        return f"unknown item {row[self._columns.item]!r}: it is not in {self._items_file}"


def _numbers(texts: pd.Series[str], numbers: dict[str, int], known_only: bool) -> npt.NDArray[np.int32]:
    """[n] the number of every text; a new text gets the next one or, where only known ones count, -1."""
    codes, unique = pd.factorize(texts)
    distinct = map(str, unique)
    of_distinct: Iterator[int] = (
        (numbers.get(text, -1) for text in distinct)
        if known_only
        else (numbers.setdefault(text, len(numbers)) for text in distinct)
    )
    return np.fromiter(of_distinct, dtype=np.int32, count=len(unique))[codes]


def _repeated(users: ItemArray, items: ItemArray, identity: npt.NDArray[Any]) -> BoolArray:
    """[n] bool: the events that an earlier one equals in user, item and identity (its time, or a hash of its columns)."""
    order = np.lexsort((identity, items, users))
    repeated = np.zeros(len(users), dtype=bool)
    same = np.ones(max(len(users) - 1, 0), dtype=bool)
    for values in (users, items, identity):
        ordered = values[order]
        same &= ordered[1:] == ordered[:-1]
    repeated[order[1:][same]] = True
    return repeated


def _reject(
    pieces: Callable[[list[Rejection]], Iterable[TextTable]], lines: IntArray, reason: str, rejected: list[Rejection]
) -> None:
    """Adds the rows of these lines to `rejected`; their text is read once more, as none is kept."""
    left = len(lines)
    for piece in pieces([]):
        chosen = np.isin(piece.rows.index.to_numpy(np.int64), lines)
        piece.without(chosen, reason, rejected)
        left -= int(chosen.sum())
        if not left:
            return


def _taken(pieces: list[npt.NDArray[Number]]) -> npt.NDArray[Number]:
    """The arrays (at least one) as one; the list is emptied, so that they are not kept twice."""
    whole = np.concatenate(pieces)
    pieces.clear()
    return whole


def _times(text: pd.Series[str]) -> pd.Series[float]:
    return pd.to_numeric(text, errors="coerce").astype(float)


def _dates(text: pd.Series[str]) -> pd.Series[float]:
    """Seconds since 1970, NaN where there is no ISO 8601 date."""
    dates = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
    return (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


def _holds_dates(text: pd.Series[str]) -> bool:
    """Whether a column holds dates and not numbers: what more of its first piece is."""
    n_numbers = _times(text).notna().sum()
    return bool(n_numbers < len(text) and _dates(text).notna().sum() > n_numbers)


def _not_readable(column: str, expected: str) -> Callable[[Row], str]:
    return lambda row: f"{column} {row[column]!r} is not {expected}"
