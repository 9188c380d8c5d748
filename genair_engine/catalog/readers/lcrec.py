"""LC-Rec pair: NAME.inter.json (user -> item ids, oldest first) and NAME.item.json (item id -> text fields).

The order within a user's list is time, so an item that occurs twice in it was met twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

from genair_engine.catalog.readers.base import Detection, Reader, ReaderOptions, detect_by_suffix
from genair_engine.catalog.readers.files import Rejection, SourceFile, named_files, shorten
from genair_engine.catalog.readers.json_object import entries
from genair_engine.catalog.readers.meanings import item_meanings
from genair_engine.catalog.readers.source import Source, SourceTable
from genair_engine.catalog.readers.text_table import TextTable, metadata_text, text_table
from genair_engine.errors import InputError

SUFFIXES = (".inter.json", ".item.json")
PIECE = 50_000
"""Events, or items, that are handed on at once."""


class LCRec(Reader[ReaderOptions]):
    """The pair says itself what it holds, so that there is nothing to set."""

    name = "lcrec"
    reads = "NAME.inter.json and NAME.item.json"
    example: ClassVar = {
        "shop.inter.json": '{"ann": ["b1", "b2"], "bob": ["b2"]}',
        "shop.item.json": '{"b1": {"title": "Beaker"}, "b2": {"title": "Caliper"}}',
    }

    def detect(self, path: Path) -> Detection:
        return detect_by_suffix(path, SUFFIXES)

    def open(self, path: Path, options: ReaderOptions) -> Source:  # noqa: ARG002
        files = named_files(path, SUFFIXES, "LC-Rec pair", self.reads)
        for file in files.values():
            if not file.is_file():
                raise InputError(f"{file.name} is missing: an LC-Rec pair is {self.reads}, side by side in {file.parent}.")
        inter, item = map(SourceFile, files.values())
        rules = {
            "tie_rule": "the order in a user's list is time",
            "duplicate_rule": "repeated items in a list are kept; of repeated user or item keys the first is kept",
        }
        events = SourceTable(
            inter, "interactions", lambda _: {"user": "user", "item": "item", "position": "order"}, partial(_events, inter)
        )
        items = SourceTable(item, "items", lambda columns: item_meanings(columns, "item_id"), partial(_items, item))
        return Source([events, items], rules, repeats_count=True)


READER = LCRec()


def _items(file: SourceFile, rejected: list[Rejection]) -> Iterator[TextTable]:
    """One row an item, a column for every metadata field, in the order in which fields first occur."""
    rows: list[tuple[int, str, dict[str, str]]] = []
    n_read = 0
    for line, key, value in entries(file):
        if not isinstance(value, dict):
            reason = f"item {key!r}: expected an object of text fields, found {_kind(value)}"
            rejected.append(Rejection(file.name, line, reason, _record(key, value)))
            continue
        fields = {metadata_text(name): metadata_text(part) for name, part in value.items() if name != "item_id"}
        rows.append((line, metadata_text(key).strip(), fields))
        n_read += 1
        if len(rows) == PIECE:
            yield _item_table(file, rows)
            rows = []
    if not n_read:
        raise file.error("it holds no item: expected an object, item id -> text fields.")
    if rows:
        yield _item_table(file, rows)


def _item_table(file: SourceFile, rows: list[tuple[int, str, dict[str, str]]]) -> TextTable:
    """rows: line, item id and fields."""
    names = dict.fromkeys(chain.from_iterable(fields for _, _, fields in rows))
    columns = {name: [fields.get(name, "") for _, _, fields in rows] for name in names}
    return text_table(file.name, columns | {"item_id": [item for _, item, _ in rows]}, [line for line, _, _ in rows])


def _events(file: SourceFile, rejected: list[Rejection]) -> Iterator[TextTable]:
    """One row an event: user, position in the user's list (1-based), item."""
    users: set[str] = set()
    lists: list[tuple[int, str, list[object]]] = []
    n_events = 0
    for line, key, value in entries(file):
        user = metadata_text(key).strip()
        if not user:
            reason = "empty user id"
        elif not isinstance(value, list):
            reason = f"user {user!r}: expected a list of item ids, found {_kind(value)}"
        elif user in users:
            reason = f"duplicate user {user!r}; the first one is kept"
        else:
            users.add(user)
            lists.append((line, user, value))
            n_events += len(value)
            if n_events >= PIECE:
                yield _event_table(file, lists, rejected)
                lists, n_events = [], 0
            continue
        rejected.append(Rejection(file.name, line, reason, _record(key, value)))
    if lists:
        yield _event_table(file, lists, rejected)


def _event_table(file: SourceFile, lists: list[tuple[int, str, list[object]]], rejected: list[Rejection]) -> TextTable:
    """lists: line, user and item ids."""
    lengths = np.array([len(values) for _, _, values in lists], dtype=np.int64)
    lines = np.repeat(np.array([line for line, _, _ in lists], dtype=np.int64), lengths)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    values = list(chain.from_iterable(values for _, _, values in lists))
    columns = {
        "user": np.repeat(np.array([user for _, user, _ in lists], dtype=object), lengths).tolist(),
        "position": (np.arange(len(values)) - starts + 1).tolist(),
        "item": values,
    }
    # type() and not isinstance(): to Python, true and false are integers.
    wrong = np.array([type(value) not in (int, str) or value == "" for value in values], dtype=bool)
    return text_table(file.name, columns, lines.tolist()).without(
        wrong,
        lambda row: f"user {row['user']!r}, position {row['position']}: an item id must be text or a whole number",
        rejected,
    )


def _record(key: str, value: object) -> str:
    return shorten(metadata_text(json.dumps({key: value}, ensure_ascii=False)))


def _kind(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
    return names.get(type(value), "a number")
