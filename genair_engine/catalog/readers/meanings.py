"""What a column may be taken for, and under which names item tables keep the fields that the engine knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from genair_engine.errors import InputError

Meaning = Literal[
    "user",
    "item",
    "timestamp",
    "number",
    "order",
    "title",
    "brand",
    "categories",
    "description",
    "attribute",
    "head",
    "relation",
    "tail",
    "entity",
    "not used",
]
"""What a column may be taken for. number: checked that it is one, and not used; order: the place in a user's list."""

FIELD_ALIASES: dict[Meaning, tuple[str, ...]] = {
    "title": ("title", "movie_title", "name", "item_name", "product_name", "product_title"),
    "brand": ("brand", "manufacturer", "store"),
    "categories": ("categories", "category", "class", "genres", "genre"),
    "description": ("description", "desc", "overview", "summary"),
}
"""Under which names (any case) sources keep the fields of Dataset.items; the first that is there is taken."""


def find_column(columns: Iterable[str], aliases: Iterable[str]) -> str | None:
    """Which of `columns` bears the first of `aliases` that is there, in any case; None where none does."""
    by_name = {name.lower(): name for name in reversed(list(columns))}
    return next((by_name[alias.lower()] for alias in aliases if alias.lower() in by_name), None)


def item_meanings(columns: Sequence[str], key: str, named: Mapping[Meaning, str | None] | None = None) -> dict[str, Meaning]:
    """What the columns of an item table are taken for: `key` is the item's id, the four fields are those of usual names.

    named: the columns of fields that somebody named.
    """
    meanings: dict[str, Meaning] = {column: meaning for meaning, column in (named or {}).items() if column is not None}
    meanings[key] = "item"
    for meaning, aliases in FIELD_ALIASES.items():
        column = find_column([name for name in columns if name not in meanings], aliases)
        if column is not None and meaning not in meanings.values():
            meanings[column] = meaning
    return {column: meanings.get(column, "attribute") for column in columns}


def require_columns(file: str, columns: Iterable[str], *names: str) -> None:
    """Raises InputError, naming the `columns` that exist, where one of `names` is not among them."""
    columns = list(columns)
    missing = [name for name in names if name not in columns]
    if missing:
        raise InputError(f"{file}: column {missing[0]!r} is missing; its columns are {', '.join(columns)}.")
