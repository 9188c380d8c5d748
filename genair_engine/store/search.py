"""Full-text item search with facets, on SQLite's FTS5 and PostgreSQL's tsvector alike.

An item matches when it has every word of the text, the last one as a prefix (people search while they type). Both
sides of the comparison are words normalised by `store.words`, and words are all that reaches the back-end's query
language, quoted: no text is a syntax error. Relevance (bm25 or ts_rank, title above the rest) orders matches, then
popularity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Integer, Select, Subquery, column, func, literal_column, select, table
from sqlalchemy.orm import InstrumentedAttribute, Session

from genair_engine.store.tables import ItemCategoryRow, ItemRow, TextRow, TextSetRow
from genair_engine.store.texts import ARCHETYPE
from genair_engine.store.words import search_words

Sort = Literal["relevance", "popularity", "title", "brand"]

_SORT_COLUMNS: dict[Sort, InstrumentedAttribute[Any]] = {
    "popularity": ItemRow.popularity,
    "title": ItemRow.title_words,
    "brand": ItemRow.brand,
}
_N = func.count().label("n")
_FACETS: dict[str, tuple[InstrumentedAttribute[Any], InstrumentedAttribute[int], Select[Any, int]]] = {
    "brand": (ItemRow.brand, ItemRow.position, select(ItemRow.brand, _N).where(ItemRow.brand != "")),
    "category": (ItemCategoryRow.category, ItemCategoryRow.position, select(ItemCategoryRow.category, _N)),
    "popularity_group": (ItemRow.popularity_group, ItemRow.position, select(ItemRow.popularity_group, _N)),
    "has_archetype_from": (
        TextSetRow.model,
        TextRow.position,
        select(TextSetRow.model, func.count(TextRow.position.distinct()).label("n")).join(
            TextRow, (TextRow.set_id == TextSetRow.id) & (TextSetRow.kind == ARCHETYPE)
        ),
    ),
}
"""What is counted: the value, the item it belongs to, and the query that counts items a value."""

_TITLE_WEIGHT, _OTHER_WEIGHT = 10.0, 1.0
_DATASET_STRIDE = 2**32  # FTS5 rowid = dataset_id * stride + position, see migration 0001


@dataclass(frozen=True)
class ItemFilter:
    """Which items to keep; None keeps all. has_archetype_from: a model id whose archetype the item must have."""

    brand: str | None = None
    category: str | None = None
    popularity_group: int | None = None
    has_archetype_from: str | None = None


@dataclass(frozen=True)
class ItemPage:
    """One page of items. total: how many match in all."""

    total: int
    rows: Sequence[ItemRow]


@dataclass(frozen=True)
class ItemFacets:
    """How many matching items have each value, most frequent first; empty values are left out."""

    brand: dict[str, int]
    category: dict[str, int]
    popularity_group: dict[int, int]
    has_archetype_from: dict[str, int]


def search_items(
    session: Session,
    dataset_id: int,
    text: str = "",
    filters: ItemFilter | None = None,
    sort: Sort = "relevance",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> ItemPage:
    """A page of the items that match `text` and `filters`; a text without a word matches all.

    sort "relevance" is popularity where there is no text. Ties: more popular first, then by index.
    """
    matches = _matches(session, dataset_id, text)
    query = select(ItemRow).where(*_conditions(dataset_id, filters or ItemFilter()))
    key: ColumnElement[Any] = _SORT_COLUMNS.get(sort, ItemRow.popularity).expression
    if matches is not None:
        query = query.join(matches, ItemRow.position == matches.c.position)
        key = matches.c.relevance if sort == "relevance" else key
    total = session.scalar(query.with_only_columns(func.count(), maintain_column_froms=True)) or 0

    def order(column: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
        return column.desc() if descending else column.asc(), ItemRow.popularity.desc(), ItemRow.position.asc()

    # Sorting positions first and fetching the page's rows afterwards keeps descriptions out of the sort.
    positions = query.with_only_columns(ItemRow.position, key.label("sort_key"), maintain_column_froms=True)
    page = positions.order_by(*order(key)).limit(limit).offset(offset).subquery("page")
    full = select(ItemRow).join(page, ItemRow.position == page.c.position).where(ItemRow.dataset_id == dataset_id)
    rows = session.scalars(full.order_by(*order(page.c.sort_key))).all()
    return ItemPage(total, rows)


def item_facets(
    session: Session, dataset_id: int, text: str = "", filters: ItemFilter | None = None, limit: int = 50
) -> ItemFacets:
    """The values of every facet under the text and the filters of the *other* facets, so that a choice can be changed.

    limit: values a facet.
    """
    matches = _matches(session, dataset_id, text)
    facets = {name: _count_values(session, dataset_id, name, matches, filters or ItemFilter(), limit) for name in _FACETS}
    return ItemFacets(**facets)


def _count_values(
    session: Session, dataset_id: int, name: str, matches: Subquery | None, filters: ItemFilter, limit: int
) -> dict[Any, int]:
    value, position, counts = _FACETS[name]
    query = counts.where(value.class_.dataset_id == dataset_id)
    others = replace(filters, **{name: None})
    if matches is not None or others != ItemFilter():  # without either, the facet's index answers alone
        kept = select(ItemRow.position).where(*_conditions(dataset_id, others))
        if matches is not None:
            kept = kept.join(matches, ItemRow.position == matches.c.position)
        items = kept.subquery("kept")
        query = query.join(items, items.c.position == position)
    query = query.group_by(value).order_by(literal_column("n").desc(), value).limit(limit)
    return {facet_value: n for facet_value, n in session.execute(query)}


def _conditions(dataset_id: int, filters: ItemFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [ItemRow.dataset_id == dataset_id]
    if filters.brand is not None:
        conditions.append(ItemRow.brand == filters.brand)
    if filters.popularity_group is not None:
        conditions.append(ItemRow.popularity_group == filters.popularity_group)
    if filters.category is not None:
        having = select(ItemCategoryRow.position).where(
            ItemCategoryRow.dataset_id == dataset_id, ItemCategoryRow.category == filters.category
        )
        conditions.append(ItemRow.position.in_(having))
    if filters.has_archetype_from is not None:
        written = (
            select(TextRow.position)
            .join(TextSetRow, TextSetRow.id == TextRow.set_id)
            .where(
                TextSetRow.dataset_id == dataset_id,
                TextSetRow.kind == ARCHETYPE,
                TextSetRow.model == filters.has_archetype_from,
            )
        )
        conditions.append(ItemRow.position.in_(written))
    return conditions


def _matches(session: Session, dataset_id: int, text: str) -> Subquery | None:
    """The matching items of a dataset as a subquery (position, relevance); None when the text has no word."""
    words = search_words(text)
    if not words:
        return None
    if session.get_bind().dialect.name == "sqlite":
        return _sqlite_matches(dataset_id, words).subquery("matches")
    return _postgresql_matches(dataset_id, words).subquery("matches")


def _sqlite_matches(dataset_id: int, words: list[str]) -> Select[Any]:
    index = table("item_search")
    rowid: ColumnElement[int] = literal_column("item_search.rowid", Integer)
    query = " ".join(f'"{word}"' for word in words) + "*"
    first = dataset_id * _DATASET_STRIDE
    relevance = -func.bm25(literal_column("item_search"), _TITLE_WEIGHT, _OTHER_WEIGHT)
    return (
        select((rowid - first).label("position"), relevance.label("relevance"))
        .select_from(index)
        .where(literal_column("item_search").op("MATCH")(query), rowid.between(first, first + _DATASET_STRIDE - 1))
    )


def _postgresql_matches(dataset_id: int, words: list[str]) -> Select[Any]:
    query = func.to_tsquery("simple", " & ".join(f"'{word}'" for word in words) + ":*")
    document: ColumnElement[Any] = column("item_search")
    return select(ItemRow.position, func.ts_rank(document, query).label("relevance")).where(
        ItemRow.dataset_id == dataset_id, document.op("@@")(query)
    )
