"""RecBole atomic files: NAME.inter and, where they exist, NAME.item, .user, .kg and .link.

Tab-separated text without quoting; the header says `field:type` with type token, token_seq, float or float_seq
(RecBole's documentation, "Atomic Files"). Interactions are sorted by user and `timestamp`, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genair_engine.catalog.readers.assemble import (
    DUPLICATE_RULE,
    FIELD_ALIASES,
    TIE_RULE,
    EventColumns,
    Extras,
    bare_items,
    clean_events,
    find_column,
    finish,
    item_frame,
    known_items,
    require_events,
    sequences_of,
    unique_rows,
)
from genair_engine.catalog.readers.delimited import header, read_delimited
from genair_engine.catalog.readers.source import ReadResult, Rejection, SourceFile, Table, find_stem, read_text
from genair_engine.errors import InputError

SUFFIXES = (".inter", ".item", ".user", ".kg", ".link")
TYPES = ("token", "token_seq", "float", "float_seq")
EXPECTS = "NAME.inter (and NAME.item, .user, .kg, .link)"


@dataclass(frozen=True)
class _Atomic:
    """An atomic file: its table (columns without their types) and the type of every column."""

    file: SourceFile
    table: Table
    types: dict[str, str]


def detect(path: Path) -> bool:
    """Whether `path` is, or holds, an atomic file."""
    return find_stem(path, SUFFIXES) is not None


def read(path: Path, name: str) -> ReadResult:
    """The atomic files that `path` (the folder, or one of them) stands for. Raises InputError."""
    found = find_stem(path, SUFFIXES)
    if found is None:
        raise InputError(f"{path.name}: no RecBole atomic files here; expected {EXPECTS}.")
    folder, stem = found
    if not (folder / f"{stem}.inter").is_file():
        raise InputError(f"{stem}.inter is missing in {folder}: atomic files are {EXPECTS}.")

    rejected: list[Rejection] = []
    present = [suffix for suffix in SUFFIXES if (folder / (stem + suffix)).is_file()]
    atomic = {suffix: _read_atomic(folder / (stem + suffix), rejected) for suffix in present}

    events, time = _events(atomic[".inter"], rejected)
    if ".item" in atomic:
        items = _items(atomic[".item"], rejected)
        events = known_items(events, "item_id", items, f"{stem}.item", rejected)
        time = time.loc[events.rows.index]
    else:
        items = bare_items(events.column("item_id"))
    require_events(len(events), f"{stem}.inter", rejected)
    return finish(
        name,
        "recbole",
        [part.file for part in atomic.values()],
        items,
        sequences_of(events.column("user_id"), events.column("item_id"), time, items["item_id"]),
        {
            "tie_rule": TIE_RULE,
            "duplicate_rule": DUPLICATE_RULE,
        },
        rejected,
        Extras(
            users=_users(atomic[".user"], rejected) if ".user" in atomic else None,
            triples=_triples(atomic[".kg"], rejected) if ".kg" in atomic else None,
            links=_links(atomic[".link"], items, rejected) if ".link" in atomic else None,
        ),
    )


def _read_atomic(path: Path, rejected: list[Rejection]) -> _Atomic:
    """Reads one file. Raises InputError where its header is not made of `field:type`."""
    file = read_text(path)
    types: dict[str, str] = {}
    fields = header(file, "\t", quoting=False)
    for field in fields:
        name, _, kind = field.rpartition(":")
        if not name or kind not in TYPES:
            raise file.error(
                f"column {field!r} must be written field:type, with type {', '.join(TYPES)}; "
                f"its columns are {', '.join(fields)}.",
                line=1,
            )
        if name in types:
            raise file.error(f"column {name!r} is there twice; name every column once.", line=1)
        types[name] = kind
    return _Atomic(file, read_delimited(file, list(types), "\t", quoting=False, rejected=rejected), types)


def _events(inter: _Atomic, rejected: list[Rejection]) -> tuple[Table, pd.Series[float]]:
    inter.table.require("user_id", "item_id")
    timestamp = "timestamp" if "timestamp" in inter.types else None
    numbers = tuple(name for name, kind in inter.types.items() if kind == "float" and name != timestamp)
    return clean_events(inter.table, EventColumns("user_id", "item_id", timestamp, numbers), rejected)


def _items(item: _Atomic, rejected: list[Rejection]) -> pd.DataFrame:
    item.table.require("item_id")
    categories = find_column(item.table, FIELD_ALIASES["categories"])
    rows = item.table.rows
    if categories is not None and item.types[categories] == "token_seq":
        # RecBole separates tokens by spaces; its Amazon files hold comma-separated lists in the same type.
        values = rows[categories]
        spaced = values.where(values.str.contains(",", regex=False), values.str.replace(r"\s+", ", ", regex=True))
        rows = rows.assign(**{categories: spaced})
    return item_frame(Table(item.table.file, rows), "item_id", {}, rejected)


def _users(user: _Atomic, rejected: list[Rejection]) -> pd.DataFrame:
    user.table.require("user_id")
    return unique_rows(user.table, "user_id", rejected).rows.reset_index(drop=True)


def _triples(kg: _Atomic, rejected: list[Rejection]) -> pd.DataFrame:
    columns = {"head_id": "head", "relation_id": "relation", "tail_id": "tail"}
    kg.table.require(*columns)
    return _complete(kg.table, list(columns), rejected).rename(columns=columns)


def _links(link: _Atomic, items: pd.DataFrame, rejected: list[Rejection]) -> pd.DataFrame:
    link.table.require("item_id", "entity_id")
    table = known_items(link.table, "item_id", items, "the catalogue", rejected)
    return _complete(table, ["item_id", "entity_id"], rejected).rename(columns={"entity_id": "entity"})


def _complete(table: Table, columns: list[str], rejected: list[Rejection]) -> pd.DataFrame:
    """The `columns` of the table's rows that have a value in all of them, without repeated rows."""
    table = table.without((table.rows[columns] == "").any(axis=1).to_numpy(bool), "an empty field", rejected)
    table = table.without(table.rows.duplicated(subset=columns).to_numpy(bool), "duplicate line", rejected)
    return table.rows[columns].reset_index(drop=True)
