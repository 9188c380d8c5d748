"""LC-Rec pair: NAME.inter.json (user -> item ids, oldest first) and NAME.item.json (item id -> text fields).

The order within a user's list is time, so an item that occurs twice in it was met twice. Both files are walked key by
key instead of being loaded at once: only so are repeated keys seen, and the line of every record known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from genair_engine.catalog.readers.assemble import (
    finish,
    item_frame,
    known_items,
    metadata_text,
    require_events,
    sequences_of,
)
from genair_engine.catalog.readers.source import (
    ReadResult,
    Rejection,
    SourceFile,
    Table,
    find_stem,
    read_text,
    shorten,
)
from genair_engine.errors import InputError

SUFFIXES = (".inter.json", ".item.json")
EXPECTS = "NAME.inter.json and NAME.item.json"
_SPACE = re.compile(r"[ \t\r\n]*")


def detect(path: Path) -> bool:
    """Whether `path` is, or holds, a file of an LC-Rec pair."""
    return find_stem(path, SUFFIXES) is not None


def read(path: Path, name: str) -> ReadResult:
    """The pair that `path` (the folder, or one of its files) stands for. Raises InputError."""
    found = find_stem(path, SUFFIXES)
    if found is None:
        raise InputError(f"{path.name}: no LC-Rec pair here; expected {EXPECTS}.")
    folder, stem = found
    for suffix in SUFFIXES:
        if not (folder / (stem + suffix)).is_file():
            raise InputError(f"{stem}{suffix} is missing: an LC-Rec pair is {EXPECTS}, side by side in {folder}.")
    inter, item = (read_text(folder / (stem + suffix)) for suffix in SUFFIXES)

    rejected: list[Rejection] = []
    items = item_frame(_item_table(item, rejected), "item_id", {}, rejected)
    events = known_items(_event_table(inter, rejected), "item", items, item.name, rejected)
    require_events(len(events), inter.name, rejected)
    position = pd.Series(0.0, index=events.rows.index)
    sequences = sequences_of(events.column("user"), events.column("item"), position, items["item_id"])
    rules = {
        "tie_rule": "the order in a user's list is time",
        "duplicate_rule": "repeated items in a list are kept; of repeated user or item keys the first is kept",
    }
    return finish(name, "lcrec", [inter, item], items, sequences, rules, rejected)


def _item_table(file: SourceFile, rejected: list[Rejection]) -> Table:
    """One row an item, a column for every metadata field, in the order in which fields first occur."""
    ids, lines, records = [], [], []
    for line, key, value in _entries(file):
        if isinstance(value, dict):
            ids.append(metadata_text(key).strip())
            lines.append(line)
            records.append({metadata_text(k): metadata_text(v) for k, v in value.items() if k != "item_id"})
        else:
            reason = f"item {key!r}: expected an object of text fields, found {_kind(value)}"
            rejected.append(Rejection(file.name, line, reason, _record(key, value)))
    if not records:
        raise file.error("it holds no item: expected an object, item id -> text fields.")
    fields = pd.DataFrame.from_records(records, index=pd.Index(lines)).fillna("").astype("str")
    return Table(file.name, fields.assign(item_id=pd.Series(ids, index=fields.index, dtype="str")))


def _event_table(file: SourceFile, rejected: list[Rejection]) -> Table:
    """One row an event: user, position in the user's list (1-based), item."""
    users: dict[str, tuple[int, list[object]]] = {}
    for line, key, value in _entries(file):
        user = metadata_text(key).strip()
        reason = None
        if not user:
            reason = "empty user id"
        elif not isinstance(value, list):
            reason = f"user {user!r}: expected a list of item ids, found {_kind(value)}"
        elif user in users:
            reason = f"duplicate user {user!r}; the first one is kept"
        else:
            users[user] = (line, value)
        if reason:
            rejected.append(Rejection(file.name, line, reason, _record(key, value)))

    lengths = np.array([len(values) for _, values in users.values()], dtype=np.int64)
    lines = np.repeat(np.array([line for line, _ in users.values()], dtype=np.int64), lengths)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    values = list(chain.from_iterable(values for _, values in users.values()))
    rows = pd.DataFrame(
        {
            "user": np.repeat(np.array(list(users), dtype=object), lengths),
            "position": np.arange(len(values)) - starts + 1,
            "item": [metadata_text(value).strip() for value in values],
        },
        index=pd.Index(lines),
    )
    # type() and not isinstance(): to Python, true and false are integers.
    wrong = np.array([type(value) not in (int, str) or value == "" for value in values], dtype=bool)
    return Table(file.name, rows).without(
        wrong,
        lambda row: f"user {row['user']!r}, position {row['position']}: an item id must be text or a whole number",
        rejected,
    )


def _entries(file: SourceFile) -> Iterator[tuple[int, str, object]]:
    """Line, key and value of every entry of the file's top-level object, repeated keys included.

    Raises InputError with line and column where the file is not a JSON object.
    """
    text = file.text
    decoder = json.JSONDecoder()
    line, counted = 1, 0

    def skip(at: int, *allowed: str) -> int:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # matches the empty string too
        if allowed and not text.startswith(allowed, at):
            raise json.JSONDecodeError(f"Expecting {' or '.join(map(repr, allowed))}", text, at)
        return at

    try:
        at = skip(skip(0, "{") + 1)
        while text[at : at + 1] != "}":
            at = skip(at, '"')
            line, counted = line + text.count("\n", counted, at), at
            key, at = decoder.raw_decode(text, at)
            value, at = decoder.raw_decode(text, skip(skip(at, ":") + 1))
            yield line, key, value
            at = skip(at, ",", "}")
            if text[at] == ",":
                at = skip(skip(at + 1), '"')
        at = skip(at + 1)
        if at < len(text):
            raise json.JSONDecodeError("Extra data", text, at)
    except json.JSONDecodeError as error:
        raise file.error(
            f"not valid JSON at column {error.colno} ({error.msg}); expected one object. Export the file again.",
            error.lineno,
        ) from None
    except (RecursionError, ValueError) as error:
        raise file.error(f"cannot be read as JSON ({error}).", line) from None


def _record(key: str, value: object) -> str:
    return shorten(metadata_text(json.dumps({key: value}, ensure_ascii=False)))


def _kind(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
    return names.get(type(value), "a number")
