"""From a source's tables to a Dataset: item metadata under the engine's names, interactions as chronological sequences.

The rules are the same for every format. Items keep the order of their table, also those that nobody touched; of two
rows with one id the first is kept. Users stand in the order of their first valid interaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers.events import EventColumns, EventLog
from genair_engine.catalog.readers.files import Rejection, SourceFile
from genair_engine.catalog.readers.meanings import FIELD_ALIASES, Meaning
from genair_engine.catalog.readers.source import Source, SourceTable
from genair_engine.catalog.readers.text_table import TextTable, complete_rows, joined, unique_rows
from genair_engine.errors import InputError

_MISSING = ("", "none", "nan", "null")


@dataclass(frozen=True)
class ReadResult:
    """What a reader made of a source: the dataset, and every record that it left out, by file and line."""

    dataset: Dataset
    rejected: list[Rejection]


def assemble(source: Source, name: str, format: str) -> ReadResult:
    """Reads the source's tables to a dataset of that name, with its provenance: format, files, rules and counts.

    Raises InputError where no valid interaction is left.
    """
    rejected: list[Rejection] = []
    items_table, events_table = source.table("items"), source.table("interactions")
    if events_table is None:
        raise InputError(f"{name}: a data set needs a table of interactions; the format {format!r} gave none.")
    items = item_frame(items_table, rejected) if items_table is not None else None

    log: EventLog | None = None
    for piece in events_table.pieces(rejected):
        if log is None:
            columns = EventColumns.of(events_table.meanings(piece.columns))
            item_ids = None if items is None else items["item_id"].tolist()
            log = EventLog(columns, item_ids, items_table.file.name if items_table else "", source.repeats_count)
        log.add(piece, rejected)
    if log is None or not len(log):
        raise _no_events(events_table.file, rejected)
    sequences, user_ids = log.sequences(events_table.pieces, rejected)
    if items is None:
        items = bare_items(log.item_ids)

    users, triples, links = (source.table(holds) for holds in ("users", "triples", "links"))
    dataset = Dataset(
        name,
        items,
        sequences,
        user_ids,
        _users(users, rejected) if users else None,
        _complete(triples, ("head", "relation", "tail"), rejected) if triples else None,
        _links(links, items, rejected) if links else None,
        provenance={
            "format": format,
            "files": {file.name: {"sha256": file.sha256, "bytes": file.size} for file in _files(source)},
            **source.rules,
            "counts": {
                "users": len(user_ids),
                "items": len(items),
                "interactions": len(sequences.items),
                "rejected": len(rejected),
            },
        },
    )
    return ReadResult(dataset, sorted(rejected, key=lambda rejection: (rejection.file, rejection.line or 0)))


def item_frame(table: SourceTable, rejected: list[Rejection]) -> pd.DataFrame:
    """Dataset.items from an item table."""
    whole = joined(table.pieces(rejected))
    meanings = table.meanings(whole.columns)
    key = _column(meanings, "item")
    whole = unique_rows(whole, key, rejected)
    values = whole.rows.drop(columns=key).apply(_clean)
    fields = {meaning: next((name for name, of in meanings.items() if of == meaning), None) for meaning in FIELD_ALIASES}
    categories = fields["categories"]
    if categories is not None:
        values[categories] = values[categories].str.replace(r"\s*\|\s*", ", ", regex=True)
    items = pd.DataFrame({"item_id": whole.column(key)})
    for meaning, column in fields.items():
        items[meaning] = values[column] if column is not None else ""
    columns = [str(name) for name in values.columns]
    records = zip(*(values[name].tolist() for name in columns), strict=True) if columns else [()] * len(items)
    attributes = [{k: v for k, v in zip(columns, record, strict=True) if v} for record in records]
    return items.assign(attributes=pd.Series(attributes, index=items.index, dtype=object)).reset_index(drop=True)


def bare_items(item_ids: Sequence[str]) -> pd.DataFrame:
    """Dataset.items for a source that has interactions only: ids, no metadata."""
    items = pd.DataFrame({"item_id": list(item_ids)}, dtype="str").assign(**dict.fromkeys(FIELD_ALIASES, ""))
    return items.assign(attributes=pd.Series([{} for _ in item_ids], dtype=object))


def _users(table: SourceTable, rejected: list[Rejection]) -> pd.DataFrame:
    whole = joined(table.pieces(rejected))
    return unique_rows(whole, _column(table.meanings(whole.columns), "user"), rejected).rows.reset_index(drop=True)


def _links(table: SourceTable, items: pd.DataFrame, rejected: list[Rejection]) -> pd.DataFrame:
    whole = joined(table.pieces(rejected))
    item = _column(table.meanings(whole.columns), "item")
    unknown = ~whole.column(item).isin(items["item_id"]).to_numpy(bool)
    known = whole.without(unknown, lambda row: f"unknown item {row[item]!r}: it is not in the catalogue", rejected)
    return _renamed(known, table, ("item", "entity"), rejected).rename(columns={"item": "item_id"})


def _complete(table: SourceTable, meanings: Sequence[Meaning], rejected: list[Rejection]) -> pd.DataFrame:
    return _renamed(joined(table.pieces(rejected)), table, meanings, rejected)


def _renamed(whole: TextTable, table: SourceTable, kept: Sequence[Meaning], rejected: list[Rejection]) -> pd.DataFrame:
    """The columns that are taken for these meanings, under the meanings' names; rows that have a value in all of them."""
    meanings = table.meanings(whole.columns)
    columns = {_column(meanings, meaning): meaning for meaning in kept}
    return complete_rows(whole, list(columns), rejected).rename(columns=columns)


def _column(meanings: Mapping[str, Meaning], meaning: Meaning) -> str:
    return next(name for name, of in meanings.items() if of == meaning)


def _files(source: Source) -> list[SourceFile]:
    return [*(table.file for table in source.tables), *source.more_files]


def _no_events(file: SourceFile, rejected: list[Rejection]) -> InputError:
    """Says, with the first reasons, why no valid interaction is left."""
    ours = [rejection for rejection in rejected if rejection.file == file.name]
    reasons = [f"line {r.line}: {r.reason}" if r.line else r.reason for r in ours[:3]]
    why = f"{len(ours)} records were rejected ({'; '.join(reasons)})" if reasons else "there is none below the header"
    return file.error(f"no valid interaction is left: {why}. Correct the file and import it again.")


def _clean(values: pd.Series[str]) -> pd.Series[str]:
    """Metadata text trimmed; what sources write for "nothing" becomes ""."""
    trimmed = values.str.strip()
    return trimmed.where(~trimmed.str.lower().isin(_MISSING), "")
