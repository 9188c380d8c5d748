"""CSV and Parquet tables: interactions and, where there is one, an items table, with a column mapping.

In a folder, tables are told apart by their names (ratings.csv, movies.csv, …); a table on its own holds interactions.
What their columns mean is found by usual names (userId, asin, unixReviewTime, …) or told by a ColumnMapping. A file
about.txt beside them, where there is one, goes into the data set's provenance.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from genair_engine.catalog.readers.assemble import (
    DUPLICATE_RULE,
    TIE_RULE,
    EventColumns,
    bare_items,
    clean_events,
    find_column,
    finish,
    item_frame,
    known_items,
    metadata_text,
    require_events,
    sequences_of,
)
from genair_engine.catalog.readers.delimited import header, read_delimited
from genair_engine.catalog.readers.source import ReadResult, Rejection, SourceFile, Table, read_bytes, read_text
from genair_engine.errors import InputError

SUFFIXES = (".csv", ".tsv", ".parquet")
ABOUT = "about.txt"
MAX_ABOUT_CHARACTERS = 2000
INTERACTION_NAMES = ("interactions", "inter", "ratings", "reviews", "events", "clicks", "purchases", "transactions")
ITEM_NAMES = ("items", "item", "movies", "products", "books", "meta", "metadata", "catalog", "catalogue")
EXPECTS = "interactions.csv or .parquet (or ratings, reviews, events) and, if there is one, items.csv or .parquet"

USER_ALIASES = ("user_id", "userId", "user", "uid", "reviewerID", "customer_id", "visitorid")
ITEM_ALIASES = (
    "item_id",
    "itemId",
    "item",
    "iid",
    "asin",
    "movieId",
    "movie_id",
    "product_id",
    "parent_asin",
    "book_id",
)
TIMESTAMP_ALIASES = ("timestamp", "time", "unixReviewTime", "ts", "datetime", "date", "created_at")
RATING_ALIASES = ("rating", "ratings", "stars", "overall", "score")


class ColumnMapping(BaseModel):
    """Which column means what; what is left out is looked for under its usual names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str | None = Field(None, description="Interactions: the user's id.")
    item: str | None = Field(None, description="Interactions: the item's id.")
    timestamp: str | None = Field(None, description="Interactions: when it happened, a number or an ISO 8601 date.")
    rating: str | None = Field(None, description="Interactions: a number; checked, not used.")
    item_key: str | None = Field(None, description="Items: the item's id.")
    title: str | None = Field(None, description="Items: title.")
    brand: str | None = Field(None, description="Items: brand.")
    categories: str | None = Field(None, description="Items: categories.")
    description: str | None = Field(None, description="Items: description.")


def detect(path: Path) -> bool:
    """Whether `path` is, or holds, a CSV or Parquet table."""
    return bool(_tables(path))


def read(path: Path, name: str, mapping: ColumnMapping | None = None) -> ReadResult:
    """The tables that `path` (the folder, or the interactions' file) stands for. Raises InputError."""
    mapping = mapping or ColumnMapping()
    interactions_path, items_path = _locate(path)
    rejected: list[Rejection] = []

    file, table = _read_table(interactions_path, rejected)
    columns = EventColumns(
        user=_required(table, "user", mapping.user, USER_ALIASES),
        item=_required(table, "item", mapping.item, ITEM_ALIASES),
        timestamp=_optional(table, mapping.timestamp, TIMESTAMP_ALIASES),
        numbers=tuple(filter(None, [_optional(table, mapping.rating, RATING_ALIASES)])),
    )
    events, time = clean_events(table, columns, rejected)
    files = [file]
    if items_path is None:
        items = bare_items(events.column(columns.item))
    else:
        items_file, items_table = _read_table(items_path, rejected)
        files.append(items_file)
        items = _items(items_table, mapping, columns.item, rejected)
        events = known_items(events, columns.item, items, items_path.name, rejected)
        time = time.loc[events.rows.index]
    require_events(len(events), file.name, rejected)
    sequences = sequences_of(events.column(columns.user), events.column(columns.item), time, items["item_id"])
    rules: dict[str, object] = {
        "tie_rule": TIE_RULE if columns.timestamp else "no timestamps: the order in the file is time",
        "duplicate_rule": DUPLICATE_RULE,
        "columns": {"user": columns.user, "item": columns.item, "timestamp": columns.timestamp},
    }
    about = interactions_path.with_name(ABOUT)
    if about.is_file():
        files.append(read_text(about))
        rules["about"] = files[-1].text[:MAX_ABOUT_CHARACTERS].strip()
    return finish(name, "tables", files, items, sequences, rules, rejected)


def _tables(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]


def _locate(path: Path) -> tuple[Path, Path | None]:
    """The interactions table and the items table, if there is one, of a folder or of an interactions file."""
    tables = _tables(path if path.is_dir() else path.parent)
    named = {
        kind: [table for table in tables if table.stem.lower() in names]
        for kind, names in (("interactions", INTERACTION_NAMES), ("items", ITEM_NAMES))
    }
    if path in tables and path not in named["items"]:
        named["interactions"] = [path]
    elif len(tables) == 1 and not named["items"]:
        named["interactions"] = tables
    for kind, candidates in named.items():
        if len(candidates) > 1 or (kind == "interactions" and not candidates):
            found = ", ".join(table.name for table in candidates or tables) or "none"
            raise InputError(
                f"{path.name}: expected one table of {kind}, found {found}. Expected {EXPECTS}; "
                "or give the path of the interactions table."
            )
    return named["interactions"][0], named["items"][0] if named["items"] else None


def _items(table: Table, mapping: ColumnMapping, event_item: str, rejected: list[Rejection]) -> pd.DataFrame:
    key = _required(table, "item_key", mapping.item_key, (event_item, *ITEM_ALIASES, "id"))
    fields = {
        field: _optional(table, getattr(mapping, field), ()) for field in ("title", "brand", "categories", "description")
    }
    return item_frame(table, key, fields, rejected)


def _optional(table: Table, told: str | None, aliases: tuple[str, ...]) -> str | None:
    if told is not None:
        table.require(told)
        return told
    return find_column(table, aliases)


def _required(table: Table, field: str, told: str | None, aliases: tuple[str, ...]) -> str:
    column = _optional(table, told, aliases)
    if column is None:
        raise InputError(
            f"{table.file}: no column for {field!r}; its columns are {', '.join(map(str, table.rows.columns))}. "
            f"Map one of them to {field!r}, or rename it to {aliases[0]}."
        )
    return column


def _read_table(path: Path, rejected: list[Rejection]) -> tuple[SourceFile, Table]:
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    file = read_text(path)
    first = file.data.split(b"\n", 1)[0]
    delimiter = max((",", "\t", ";"), key=lambda mark: first.count(mark.encode()))
    return file, read_delimited(file, header(file, delimiter, quoting=True), delimiter, True, rejected)


def _read_parquet(path: Path) -> tuple[SourceFile, Table]:
    """A Parquet table as text, its rows numbered from 1. An index that pandas stored with it is left out."""
    file = read_bytes(path)
    try:
        table = pq.read_table(pa.BufferReader(file.data))
        names = [name for name in table.column_names if not name.startswith("__index_level_")]
        columns = {name: _as_text(table.column(name)) for name in names}
    except (pa.ArrowException, KeyError, OSError, UnicodeDecodeError) as error:
        raise file.error(f"not a readable Parquet file ({error}); export it again.") from None
    rows = pd.DataFrame(columns, index=pd.RangeIndex(1, table.num_rows + 1), dtype="str")
    return file, Table(file.name, rows, has_lines=False)


def _as_text(column: pa.ChunkedArray) -> list[str]:
    """A Parquet column as trimmed text. Whole floats lose their ".0": pandas writes ids so where some are missing."""
    kind = column.type
    if pa.types.is_nested(kind):
        return [metadata_text(value) for value in column.to_pylist()]
    if pa.types.is_floating(kind):
        whole = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), 2.0**53))
        column = column.cast(pa.int64()) if pc.all(whole).as_py() else column
    text = pc.replace_substring(pc.fill_null(column.cast(pa.large_string()), ""), "\0", "")
    values: list[str] = pc.utf8_trim_whitespace(text).to_pylist()
    return values
