"""CSV and Parquet tables: interactions and, where there is one, an items table, with a column mapping.

In a folder, tables are told apart by their names (ratings.csv, movies.csv, …); a table on its own holds interactions.
What their columns mean is found by usual names (userId, asin, unixReviewTime, …) or told by the option `columns`. A file
about.txt beside them, where there is one, goes into the data set's provenance.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from genair_engine.catalog.readers.base import Detection, Reader, ReaderOptions
from genair_engine.catalog.readers.files import Rejection, SourceFile
from genair_engine.catalog.readers.meanings import Meaning, find_column, item_meanings, require_columns
from genair_engine.catalog.readers.source import DUPLICATE_RULE, TIE_RULE, Source, SourceTable
from genair_engine.catalog.readers.text_table import TextTable
from genair_engine.errors import InputError

SUFFIXES = (".csv", ".tsv", ".parquet")
ABOUT = "about.txt"
MAX_ABOUT_CHARACTERS = 2000
INTERACTION_NAMES = ("interactions", "inter", "ratings", "reviews", "events", "clicks", "purchases", "transactions")
ITEM_NAMES = ("items", "item", "movies", "products", "books", "meta", "metadata", "catalog", "catalogue")
SEPARATORS = (",", "\t", ";")
"""Of those, the one that the header has most of, where none is named."""

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


class TableOptions(ReaderOptions):
    """How tables are to be understood."""

    columns: dict[str, str] = Field(
        default_factory=dict,
        description="which column means what, as field=column (fields: " + ", ".join(ColumnMapping.model_fields) + ")",
    )
    separator: str | None = Field(
        None,
        description="what separates the fields of a CSV file, one character or `tab`; by default told from the header",
    )

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        known = ColumnMapping.model_fields
        unknown = sorted(columns.keys() - known.keys())
        if unknown:
            raise ValueError(f"There is no field {unknown[0]!r} to map a column to; known: {', '.join(known)}")
        return columns

    @field_validator("separator")
    @classmethod
    def _one_character(cls, separator: str | None) -> str | None:
        character = "\t" if separator == "tab" else separator
        if character is not None and (len(character) != 1 or not character.isascii() or character in '"\r\n'):
            raise ValueError(f"{separator!r} cannot separate fields: give one ASCII character, or tab")
        return character


class Tables(Reader[TableOptions]):
    """Tables as spreadsheets, databases and data frames export them."""

    name = "tables"
    reads = "interactions.csv or .parquet (or ratings, reviews, events) and, if there is one, items.csv or .parquet"
    example: ClassVar = {
        "interactions.csv": "user_id,item_id,timestamp\nann,b2,2\nann,b1,1\nbob,b2,5\n",
        "items.csv": "item_id,title\nb1,Beaker\nb2,Caliper\n",
    }
    Options = TableOptions

    def detect(self, path: Path) -> Detection:
        tables = _tables(path)
        if not tables:
            return Detection(0, f"no file ends in {', '.join(SUFFIXES)}")
        named = next((table.name for table in tables if table.stem.lower() in INTERACTION_NAMES), None)
        if path.is_file() or named:
            return Detection(1, f"{named or path.name} is a table of interactions")
        return Detection(0.5, f"{', '.join(table.name for table in tables)}: tables, none of them named as interactions")

    def open(self, path: Path, options: TableOptions) -> Source:
        mapping = ColumnMapping(**options.columns)
        interactions_path, items_path = _locate(path, self.reads)
        file, columns, pieces = _open_table(interactions_path, options.separator)
        meanings = _interaction_meanings(file.name, columns, mapping)
        tables = [SourceTable(file, "interactions", lambda _: meanings, pieces)]
        column = {meaning: name for name, meaning in meanings.items()}
        if items_path is not None:
            tables.append(_items(items_path, options, mapping, column["item"]))
        rules: dict[str, object] = {
            "tie_rule": TIE_RULE if "timestamp" in column else "no timestamps: the order in the file is time",
            "duplicate_rule": DUPLICATE_RULE,
            "columns": {"user": column["user"], "item": column["item"], "timestamp": column.get("timestamp")},
        }
        about = interactions_path.with_name(ABOUT)
        if not about.is_file():
            return Source(tables, rules)
        about_file = SourceFile(about)
        return Source(tables, rules | {"about": about_file.text()[:MAX_ABOUT_CHARACTERS].strip()}, more_files=[about_file])


READER = Tables()


def _tables(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]


def _locate(path: Path, expected: str) -> tuple[Path, Path | None]:
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
            names = ", ".join(table.name for table in candidates or tables) or "none"
            raise InputError(
                f"{path.name}: expected one table of {kind}, found {names}. Expected {expected}; "
                "or give the path of the interactions table."
            )
    return named["interactions"][0], named["items"][0] if named["items"] else None


Pieces = partial[Iterator[TextTable]]


def _open_table(path: Path, separator: str | None) -> tuple[SourceFile, list[str], Pieces]:
    """A table's file, its columns, and its rows by `SourceTable.pieces`."""
    from genair_engine.catalog.readers.delimited import first_line, header  # pandas, which nobody else waits for
    from genair_engine.catalog.readers.parquet import parquet_columns, read_parquet

    file = SourceFile(path)
    if path.suffix.lower() == ".parquet":
        return file, parquet_columns(file), partial(read_parquet, file)
    if separator is None:
        first = first_line(file)
        separator = max(SEPARATORS, key=first.count)
    columns = header(file, separator, quoting=True)
    return file, columns, partial(_read_csv, file, columns, separator)


def _read_csv(file: SourceFile, columns: list[str], separator: str, rejected: list[Rejection]) -> Iterator[TextTable]:
    from genair_engine.catalog.readers.delimited import read_delimited

    return read_delimited(file, columns, separator, True, rejected)


def _interaction_meanings(file: str, columns: list[str], mapping: ColumnMapping) -> dict[str, Meaning]:
    timestamp = _optional(file, columns, mapping.timestamp, TIMESTAMP_ALIASES)
    rating = _optional(file, columns, mapping.rating, RATING_ALIASES)
    meanings: dict[str, Meaning] = {} if rating is None else {rating: "number"}
    if timestamp is not None:
        meanings[timestamp] = "timestamp"
    user = _required(file, columns, "user", mapping.user, USER_ALIASES)
    item = _required(file, columns, "item", mapping.item, ITEM_ALIASES)
    if user == item:
        raise InputError(f"{file}: column {user!r} cannot be both the user's and the item's id: map one of them to another.")
    return meanings | {user: "user", item: "item"}


def _items(path: Path, options: TableOptions, mapping: ColumnMapping, event_item: str) -> SourceTable:
    file, columns, pieces = _open_table(path, options.separator)
    key = _required(file.name, columns, "item_key", mapping.item_key, (event_item, *ITEM_ALIASES, "id"))
    named: dict[Meaning, str | None] = {
        "title": mapping.title,
        "brand": mapping.brand,
        "categories": mapping.categories,
        "description": mapping.description,
    }
    told = [column for column in named.values() if column is not None]
    require_columns(file.name, columns, *told)
    twice = next((column for column in told if column == key or told.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{file.name}: column {twice!r} is mapped to two fields: map it to one.")
    meanings = item_meanings(columns, key, named)
    return SourceTable(file, "items", lambda _: meanings, pieces)


def _optional(file: str, columns: list[str], told: str | None, aliases: tuple[str, ...]) -> str | None:
    if told is not None:
        require_columns(file, columns, told)
        return told
    return find_column(columns, aliases)


def _required(file: str, columns: list[str], field: str, told: str | None, aliases: tuple[str, ...]) -> str:
    column = _optional(file, columns, told, aliases)
    if column is None:
        raise InputError(
            f"{file}: no column for {field!r}; its columns are {', '.join(columns)}. "
            f"Map one of them to {field!r}, or rename it to {aliases[0]}."
        )
    return column
