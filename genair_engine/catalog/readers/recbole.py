"""RecBole atomic files: NAME.inter and, where they exist, NAME.item, .user, .kg and .link.

Tab-separated text without quoting; the header says `field:type` with type token, token_seq, float or float_seq
(RecBole's documentation, "Atomic Files"). Interactions are sorted by user and `timestamp`, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from genair_engine.catalog.readers.base import Detection, Reader, ReaderOptions, detect_by_suffix
from genair_engine.catalog.readers.files import Rejection, SourceFile, named_files
from genair_engine.catalog.readers.meanings import Meaning, item_meanings, require_columns
from genair_engine.catalog.readers.source import DUPLICATE_RULE, TIE_RULE, Holds, Source, SourceTable
from genair_engine.catalog.readers.text_table import TextTable
from genair_engine.errors import InputError

HOLDS: dict[str, Holds] = {
    ".inter": "interactions",
    ".item": "items",
    ".user": "users",
    ".kg": "triples",
    ".link": "links",
}
REQUIRED: dict[str, dict[str, Meaning]] = {
    ".inter": {"user_id": "user", "item_id": "item"},
    ".item": {"item_id": "item"},
    ".user": {"user_id": "user"},
    ".kg": {"head_id": "head", "relation_id": "relation", "tail_id": "tail"},
    ".link": {"item_id": "item", "entity_id": "entity"},
}
"""The columns that each file must have, and what they are taken for."""

TYPES = ("token", "token_seq", "float", "float_seq")

Types = dict[str, str]
"""Column → its type."""


class RecBole(Reader[ReaderOptions]):
    """RecBole's atomic files say themselves what they hold, so that there is nothing to set."""

    name = "recbole"
    reads = "NAME.inter (and NAME.item, .user, .kg, .link)"
    example: ClassVar = {
        "shop.inter": "user_id:token\titem_id:token\ttimestamp:float\nann\tb2\t2\nann\tb1\t1\nbob\tb2\t5\n",
        "shop.item": "item_id:token\ttitle:token_seq\nb1\tBeaker\nb2\tCaliper\n",
    }

    def detect(self, path: Path) -> Detection:
        return detect_by_suffix(path, list(HOLDS))

    def open(self, path: Path, options: ReaderOptions) -> Source:  # noqa: ARG002
        files = named_files(path, list(HOLDS), "RecBole atomic files", self.reads)
        if not files[".inter"].is_file():
            raise InputError(f"{files['.inter'].name} is missing in {files['.inter'].parent}: atomic files are {self.reads}.")
        tables = [_table(SourceFile(path), suffix) for suffix, path in files.items() if path.is_file()]
        return Source(tables, {"tie_rule": TIE_RULE, "duplicate_rule": DUPLICATE_RULE})


READER = RecBole()


def _table(file: SourceFile, suffix: str) -> SourceTable:
    from genair_engine.catalog.readers.delimited import read_delimited  # pandas, which nobody else waits for

    types = _types(file)
    require_columns(file.name, types, *REQUIRED[suffix])
    meanings = _meanings(suffix, types)

    def pieces(rejected: list[Rejection]) -> Iterator[TextTable]:
        tables = read_delimited(file, list(types), "\t", quoting=False, rejected=rejected)
        return (_separated(table, types, meanings) for table in tables) if suffix == ".item" else tables

    return SourceTable(file, HOLDS[suffix], lambda _: meanings, pieces)


def _meanings(suffix: str, types: Types) -> dict[str, Meaning]:
    """What a file's columns are taken for."""
    if suffix == ".item":
        return item_meanings(list(types), "item_id")
    meanings: dict[str, Meaning] = {}
    if suffix == ".user":
        meanings = dict.fromkeys(types, "attribute")
    elif suffix == ".inter":
        meanings = {column: "number" for column, kind in types.items() if kind == "float"}
        if "timestamp" in types:
            meanings["timestamp"] = "timestamp"
    return meanings | REQUIRED[suffix]


def _types(file: SourceFile) -> Types:
    """The columns with their types. Raises InputError where the header is not made of `field:type`."""
    from genair_engine.catalog.readers.delimited import header

    types: Types = {}
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
    return types


def _separated(items: TextTable, types: Types, meanings: Mapping[str, Meaning]) -> TextTable:
    """The items with their categories apart.

    RecBole separates tokens by spaces; its Amazon files hold comma-separated lists in the same type.
    """
    name = next((column for column, meaning in meanings.items() if meaning == "categories"), None)
    if name is None or types[name] != "token_seq":
        return items
    values = items.column(name)
    spaced = values.where(values.str.contains(",", regex=False), values.str.replace(r"\s+", ", ", regex=True))
    return TextTable(items.file, items.rows.assign(**{name: spaced}))
