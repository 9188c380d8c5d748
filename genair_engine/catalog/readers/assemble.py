"""From tables of text to a Dataset: item metadata under the engine's names, interactions as chronological sequences.

The rules are the same for every format. Items keep the order of their table, also those that nobody touched; of two
rows with one id the first is kept. Interactions with an empty id, an item outside the item table or a number that is
none are rejected, and so is a repeated interaction. Users stand in the order of their first interaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers.source import ReadResult, Rejection, Row, SourceFile, Table, fingerprint
from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError
from genair_engine.types import ItemArray

FIELD_ALIASES: dict[str, tuple[str, ...]] = {
    "title": ("title", "movie_title", "name", "item_name", "product_name", "product_title"),
    "brand": ("brand", "manufacturer", "store"),
    "categories": ("categories", "category", "class", "genres", "genre"),
    "description": ("description", "desc", "overview", "summary"),
}
"""Under which names (any case) sources keep the fields of Dataset.items; the first that is there is taken."""

TIE_RULE = "events of a user with equal timestamps keep their order in the file"
DUPLICATE_RULE = "of equal (user, item, timestamp) the first is kept; without timestamps, of equal lines"
_MISSING = ("", "none", "nan", "null")


@dataclass(frozen=True)
class EventColumns:
    """What the columns of an interaction table mean. numbers: further columns that hold a number or nothing."""

    user: str
    item: str
    timestamp: str | None = None
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extras:
    """The optional tables of a Dataset, as its fields of the same names."""

    users: pd.DataFrame | None = None
    triples: pd.DataFrame | None = None
    links: pd.DataFrame | None = None


def metadata_text(value: object) -> str:
    """A value of a nested source as text: lists joined by ", ", mappings as "key: value", None as "".

    What no database can store (lone surrogates, NUL) is taken out.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{metadata_text(key)}: {metadata_text(part)}" for key, part in value.items())
    if isinstance(value, Iterable):
        return ", ".join(filter(None, map(metadata_text, value)))
    return str(value)


def find_column(table: Table, aliases: Iterable[str]) -> str | None:
    """The table's column that bears the first of `aliases` that is there, in any case; None where none is."""
    columns = {str(name).lower(): str(name) for name in reversed(list(table.rows.columns))}
    return next((columns[alias.lower()] for alias in aliases if alias.lower() in columns), None)


def unique_rows(table: Table, key: str, rejected: list[Rejection]) -> Table:
    """The table with non-empty, unique values of `key`; the first row of each value is kept."""
    table = table.without((table.column(key) == "").to_numpy(bool), f"empty {key}", rejected)
    repeated = table.column(key).duplicated().to_numpy(bool)
    return table.without(repeated, lambda row: f"duplicate {key} {row[key]!r}; the first one is kept", rejected)


def item_frame(table: Table, key: str, fields: Mapping[str, str | None], rejected: list[Rejection]) -> pd.DataFrame:
    """Dataset.items from an item table with the id column `key`.

    fields: the source column of title, brand, categories and description, where it is not to be found by its aliases.
    """
    table = unique_rows(table, key, rejected)
    values = table.rows.drop(columns=key).apply(_clean)
    chosen = {name: fields.get(name) or find_column(table, aliases) for name, aliases in FIELD_ALIASES.items()}
    categories = chosen["categories"]
    if categories is not None:
        values[categories] = values[categories].str.replace(r"\s*\|\s*", ", ", regex=True)
    items = pd.DataFrame({"item_id": table.column(key)})
    for name, column in chosen.items():
        items[name] = values[column] if column is not None else ""
    columns = [str(name) for name in values.columns]
    records = zip(*(values[name].tolist() for name in columns), strict=True) if columns else [()] * len(items)
    attributes = [{k: v for k, v in zip(columns, record, strict=True) if v} for record in records]
    return items.assign(attributes=pd.Series(attributes, index=items.index, dtype=object)).reset_index(drop=True)


def bare_items(item_ids: Iterable[str]) -> pd.DataFrame:
    """Dataset.items for a source that has interactions only: ids in order of appearance, no metadata."""
    table = Table("", pd.DataFrame({"item_id": list(dict.fromkeys(item_ids))}, dtype="str"))
    return item_frame(table, "item_id", {}, [])


def clean_events(table: Table, columns: EventColumns, rejected: list[Rejection]) -> tuple[Table, pd.Series[float]]:
    """The valid rows of an interaction table, and their time (all 0 where the table has none).

    Rejects empty ids, unreadable numbers and timestamps, and repetitions: the same user, item and time, or, without
    timestamps, rows that are the same in all columns.
    """
    for kind, name in (("user", columns.user), ("item", columns.item)):
        table = table.without((table.column(name) == "").to_numpy(bool), f"empty {kind} id (column {name!r})", rejected)
    for name in columns.numbers:
        text = table.column(name)
        bad = ((text != "") & ~np.isfinite(pd.to_numeric(text, errors="coerce"))).to_numpy(bool)
        table = table.without(bad, _not_readable(name, "a number"), rejected)
    if columns.timestamp is None:
        time = pd.Series(0.0, index=table.rows.index)
        repeated = table.rows.duplicated().to_numpy(bool)
    else:
        time = _times(table.column(columns.timestamp))
        unreadable = ~np.isfinite(time.to_numpy())
        table = table.without(unreadable, _not_readable(columns.timestamp, "a number or an ISO 8601 date"), rejected)
        time = time[~unreadable]
        keys = {"user": table.column(columns.user), "item": table.column(columns.item), "time": time}
        repeated = pd.DataFrame(keys).duplicated().to_numpy(bool)
    table = table.without(repeated, "duplicate interaction; the first one is kept", rejected)
    return table, time[~repeated]


def known_items(table: Table, column: str, items: pd.DataFrame, where: str, rejected: list[Rejection]) -> Table:
    """The rows whose `column` names an item of `items`; `where` is the item table's file, for the reason."""
    unknown = ~table.column(column).isin(items["item_id"]).to_numpy(bool)
    return table.without(unknown, lambda row: f"unknown item {row[column]!r}: it is not in {where}", rejected)


def sequences_of(
    users: pd.Series[str], items: pd.Series[str], time: pd.Series[float], item_ids: pd.Series[str]
) -> tuple[Sequences, list[str]]:
    """One chronological sequence a user, and the user ids in order of first appearance.

    users, items, time: [n_events], items all in item_ids ([n_items], whose order gives the item indices).
    """
    user_codes, user_ids = pd.factorize(users)
    order = np.lexsort((time.to_numpy(), user_codes))
    index: ItemArray = (pd.Index(item_ids).get_indexer(pd.Index(items)) + 1).astype(np.int32)
    lengths = np.bincount(user_codes, minlength=len(user_ids))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Sequences(index[order], offsets), [str(user) for user in user_ids]


def finish(
    name: str,
    format: str,
    files: list[SourceFile],
    items: pd.DataFrame,
    events: tuple[Sequences, list[str]],
    rules: Mapping[str, object],
    rejected: list[Rejection],
    extras: Extras | None = None,
) -> ReadResult:
    """The reader's result, with the provenance: format, files, rules and counts."""
    sequences, user_ids = events
    extras = extras or Extras()
    provenance: dict[str, object] = {
        "format": format,
        "files": {file.name: fingerprint(file) for file in files},
        **rules,
        "counts": {
            "users": len(user_ids),
            "items": len(items),
            "interactions": len(sequences.items),
            "rejected": len(rejected),
        },
    }
    dataset = Dataset(name, items, sequences, user_ids, extras.users, extras.triples, extras.links, provenance=provenance)
    return ReadResult(dataset, sorted(rejected, key=lambda rejection: (rejection.file, rejection.line or 0)))


def require_events(count: int, file: str, rejected: list[Rejection]) -> None:
    """Raises InputError, with the first reasons, where no valid interaction is left."""
    if count:
        return
    reasons = [f"line {r.line}: {r.reason}" if r.line else r.reason for r in rejected[:3]]
    why = f"{len(rejected)} records were rejected ({'; '.join(reasons)})" if reasons else "there is none below the header"
    raise InputError(f"{file}: no valid interaction is left: {why}. Correct the file and import it again.")


def _clean(values: pd.Series[str]) -> pd.Series[str]:
    """Metadata text trimmed; what sources write for "nothing" becomes ""."""
    trimmed = values.str.strip()
    return trimmed.where(~trimmed.str.lower().isin(_MISSING), "")


def _times(text: pd.Series[str]) -> pd.Series[float]:
    """Timestamps as numbers, NaN where unreadable. A column holds either numbers or dates: what more of it is."""
    numbers = pd.to_numeric(text, errors="coerce").astype(float)
    if numbers.notna().all():
        return numbers
    dates = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
    seconds = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return seconds if seconds.notna().sum() > numbers.notna().sum() else numbers


def _not_readable(column: str, expected: str) -> Callable[[Row], str]:
    return lambda row: f"{column} {row[column]!r} is not {expected}"
