"""Datasets, their items and their rejected records in the database.

Functions take an open session and leave the transaction to the caller (`Workspace.session`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import pandas as pd
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from genair_engine.catalog.facets import single_categories
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store.tables import (
    MAX_KEY,
    DatasetRow,
    ItemCategoryRow,
    ItemRow,
    RejectionRow,
    RepresentationRow,
    RunRow,
    TextSetRow,
)
from genair_engine.store.words import indexed_words

ITEM_COLUMNS = ("item_id", "title", "brand", "categories", "description", "attributes")


class Rejection(Protocol):
    """A record that a reader left out (`genair_engine.catalog.readers.Rejection`)."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def record(self) -> str: ...


def list_datasets(session: Session) -> Sequence[DatasetRow]:
    """All datasets by name."""
    return session.scalars(select(DatasetRow).order_by(DatasetRow.name)).all()


def find_dataset(session: Session, name: str) -> DatasetRow:
    """The dataset of that name. Raises NotFoundError with near names."""
    row = session.scalar(select(DatasetRow).where(DatasetRow.name == name))
    if row is None:
        known = session.scalars(select(DatasetRow.name)).all()
        raise NotFoundError("dataset", name, known, "" if known else "Import one first.")
    return row


def refuse_existing(session: Session, name: str) -> None:
    """Raises InputError where a dataset of that name exists."""
    if session.scalar(select(DatasetRow.id).where(DatasetRow.name == name)) is not None:
        raise InputError(f"There is already a dataset {name!r}. Choose another name, or delete that one first.")


def insert_items(
    session: Session, dataset_id: int, items: pd.DataFrame, popularity: Sequence[int], groups: Sequence[int]
) -> None:
    """Adds the items table of a dataset ([n_items] rows, `Dataset.items`), its categories and its search words.

    popularity, groups: [n_items] training count and quintile. Raises InputError on text that no database can store.
    """
    columns = (items[name].tolist() for name in ITEM_COLUMNS)
    rows: list[dict[str, Any]] = []
    categories: list[dict[str, Any]] = []
    for index, values in enumerate(zip(*columns, strict=True)):
        row = dict(zip(ITEM_COLUMNS, values, strict=True))
        _check_text(row)
        row |= {
            "dataset_id": dataset_id,
            "position": index + 1,
            "popularity": popularity[index],
            "popularity_group": groups[index],
            "brand": row["brand"][:MAX_KEY],  # a column to filter by; the attributes keep the whole text
            "title_words": indexed_words(row["title"]),
            "other_words": indexed_words(row["brand"], row["categories"], row["item_id"], row["description"]),
        }
        rows.append(row)
        categories += [
            {"dataset_id": dataset_id, "position": index + 1, "category": category}
            for category in single_categories(row["categories"])
        ]
    connection = session.connection()  # rows go past the ORM's bookkeeping: half the time
    connection.execute(insert(ItemRow), rows)
    if categories:
        connection.execute(insert(ItemCategoryRow), categories)
    for table in ("items", "item_categories"):
        connection.execute(text(f"ANALYZE {table}"))  # the query planners guess badly about a table that has just grown


def _check_text(row: dict[str, Any]) -> None:
    if len(row["item_id"]) > MAX_KEY:
        raise InputError(f"Item {row['item_id'][:60]!r}: its id is longer than {MAX_KEY} characters.")
    texts = [*(row[name] for name in ITEM_COLUMNS[:-1]), *row["attributes"], *row["attributes"].values()]
    joined = "".join(texts)
    if "\0" in joined or not _encodable(joined):
        raise InputError(f"Item {row['item_id']!r} has text that is not valid Unicode (a NUL or half a surrogate pair).")


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def insert_rejections(session: Session, dataset_id: int, rejections: Iterable[Rejection]) -> None:
    """Adds the import report; what a database cannot store of a bad record is written as escapes."""
    rows = [
        {
            "dataset_id": dataset_id,
            "file": _escaped(entry.file),
            "line": entry.line,
            "reason": _escaped(entry.reason),
            "record": _escaped(entry.record),
        }
        for entry in rejections
    ]
    if rows:
        session.execute(insert(RejectionRow), rows)


def _escaped(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def list_rejections(session: Session, dataset_id: int, limit: int = 1000, offset: int = 0) -> Sequence[RejectionRow]:
    """The import report in the order of reading."""
    query = select(RejectionRow).where(RejectionRow.dataset_id == dataset_id).order_by(RejectionRow.id)
    return session.scalars(query.limit(limit).offset(offset)).all()


def items_frame(session: Session, dataset_id: int) -> pd.DataFrame:
    """The items table of a dataset as it was saved: row k is item index k + 1."""
    query = (
        select(*(getattr(ItemRow, name) for name in ITEM_COLUMNS))
        .where(ItemRow.dataset_id == dataset_id)
        .order_by(ItemRow.position)
    )
    rows = session.execute(query).all()
    return pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(ITEM_COLUMNS))


def item_facts(session: Session, dataset_id: int) -> pd.DataFrame:
    """What pictures of all items say of each, a row an item in the order of positions; quicker than the items table."""
    columns = {
        "position": ItemRow.position,
        "item": ItemRow.item_id,
        "title": ItemRow.title,
        "categories": ItemRow.categories,
        "popularity": ItemRow.popularity,
        "group": ItemRow.popularity_group,
    }
    query = select(*columns.values()).where(ItemRow.dataset_id == dataset_id).order_by(ItemRow.position)
    return pd.DataFrame.from_records([tuple(row) for row in session.execute(query)], columns=list(columns))


def find_item(session: Session, dataset: DatasetRow, item_id: str) -> ItemRow:
    """The item with that source id. Raises NotFoundError."""
    row = session.scalar(select(ItemRow).where(ItemRow.dataset_id == dataset.id, ItemRow.item_id == item_id))
    if row is None:
        raise NotFoundError("item", item_id, hint=f"Dataset {dataset.name!r} has no item of that id.")
    return row


def items_with_ids(session: Session, dataset_id: int, item_ids: Sequence[str]) -> Sequence[ItemRow]:
    """The items of these source ids, in no particular order; unknown ids are left out."""
    return session.scalars(select(ItemRow).where(ItemRow.dataset_id == dataset_id, ItemRow.item_id.in_(item_ids))).all()


def popularity_rank(session: Session, item: ItemRow) -> int:
    """1 for the items that were taken most often in training; items of equal popularity share a rank."""
    more_popular = select(func.count()).where(ItemRow.dataset_id == item.dataset_id, ItemRow.popularity > item.popularity)
    return 1 + (session.scalar(more_popular) or 0)


def folders_of(session: Session, dataset: DatasetRow) -> list[str]:
    """The artifact folders of a dataset and of everything made from it."""
    folders = (
        session.scalars(select(table.folder).where(table.dataset_id == dataset.id))
        for table in (TextSetRow, RepresentationRow, RunRow)
    )
    return [dataset.folder, analyses_folder(dataset), *itertools.chain.from_iterable(folders)]


def analyses_folder(dataset: DatasetRow) -> str:
    """The artifact folder of what was computed from a dataset's item vectors; there is none until something is."""
    return f"analyses/{dataset.id}"


def delete_dataset(session: Session, dataset_id: int) -> None:
    """Removes a dataset with everything made from it (foreign keys cascade)."""
    session.execute(delete(DatasetRow).where(DatasetRow.id == dataset_id))
