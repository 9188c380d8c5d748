"""Items of a data set by words and filters, and by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from genair_engine.errors import NotFoundError
from genair_engine.store import search as item_search
from genair_engine.store.datasets import find_dataset, items_with_ids
from genair_engine.store.tables import ItemRow
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.datasets.search import Item, ItemList, SearchRequest
from genair_engine.workspace import Workspace


def search(workspace: Workspace, request: SearchRequest, progress: Progress = silent) -> ItemList:  # noqa: ARG001
    """A page of matching items with facet counts. Raises NotFoundError for an unknown data set."""
    filters = item_search.ItemFilter(request.brand, request.category, request.popularity_group, request.has_archetype_from)
    with workspace.reading() as session:
        row = find_dataset(session, request.dataset)
        page = item_search.search_items(
            session,
            row.id,
            request.text,
            filters,
            request.sort,
            request.descending,
            request.limit,
            request.offset,
        )
        facets = item_search.item_facets(session, row.id, request.text, filters)
    return ItemList(
        total=page.total,
        items=[item_of(row) for row in page.rows],
        facets={
            "brand": facets.brand,
            "category": facets.category,
            "popularity_group": {str(group): count for group, count in facets.popularity_group.items()},
            "has_archetype_from": facets.has_archetype_from,
        },
    )


def items_of(workspace: Workspace, dataset: str, item_ids: Sequence[str]) -> list[Item]:
    """The items of these source ids, in their order. Raises NotFoundError for the first that does not exist."""
    known = known_items(workspace, dataset, item_ids)
    missing = next((item_id for item_id in item_ids if item_id not in known), None)
    if missing is not None:
        raise NotFoundError(f"item in {dataset!r}", missing, hint="Look items up on the Items page.")
    return [known[item_id] for item_id in item_ids]


def known_items(workspace: Workspace, dataset: str, item_ids: Sequence[str]) -> dict[str, Item]:
    """Those of the source ids that exist, with their items."""
    with workspace.reading() as session:
        row = find_dataset(session, dataset)
        return {item.item_id: item_of(item) for item in items_with_ids(session, row.id, item_ids)}


def item_of(row: ItemRow) -> Item:
    """An item as lists show it, from its row."""
    return Item(
        position=row.position,
        item=row.item_id,
        title=row.title,
        brand=row.brand,
        categories=row.categories,
        popularity=row.popularity,
        popularity_group=row.popularity_group,
    )
