"""Reading verbs for pages: searching items, one item with everything known about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from genair_engine.archetypes.segments import split_segments
from genair_engine.errors import NotFoundError
from genair_engine.store import archetypes as archetype_rows
from genair_engine.store import search as item_search
from genair_engine.store.datasets import find_dataset, find_item, items_with_ids, popularity_rank
from genair_engine.store.tables import ArchetypeFailureRow, ArchetypeRow, ArchetypeSetRow, DatasetRow, ItemRow, PinRow
from genair_engine.verbs.base import Progress, Record, silent
from genair_engine.verbs.datasets.search import Item, ItemList, SearchRequest
from genair_engine.workspace import Workspace


class ArchetypeText(Record):
    """One archetype with its provenance. text: as written; opening, audiences and closing: the same in its parts.

    prompt: the template's parts. backend: what ran the model; "edited" for a text that a person wrote, whose sampling holds no
    temperature and the like, but the `reader`. device: what wrote it, "" where that was not kept.
    """

    archetypes: str
    model: str
    revision: str
    backend: str
    text: str
    opening: str
    audiences: list[str]
    closing: str
    prompt_version: str
    prompt: dict[str, str]
    prompt_tokens: int
    generated_tokens: int
    finish: str
    seconds: float
    sampling: dict[str, Any]
    seed: int
    device: str
    created_at: datetime


class FailedArchetype(Record):
    """An archetype that the last attempt could not write, and why."""

    item: str
    title: str
    archetypes: str
    model: str
    prompt_version: str
    reason: str
    created_at: datetime


class ItemDetail(Record):
    """Everything known about one item. rank: 1 for the most popular in training; of: items in the catalogue.

    archetypes: oldest set first. failures: of sets that have no text of the item. pinned: the set whose archetype is.
    """

    item: Item
    rank: int
    of: int
    attributes: dict[str, str]
    description: str
    archetypes: list[ArchetypeText]
    failures: list[FailedArchetype]
    pinned: str | None


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
        items=[_item(one) for one in page.rows],
        facets={
            "brand": facets.brand,
            "category": facets.category,
            "popularity_group": {str(group): count for group, count in facets.popularity_group.items()},
            "has_archetype_from": facets.has_archetype_from,
        },
    )


def items_of(workspace: Workspace, dataset: str, item_ids: Sequence[str]) -> list[Item]:
    """The items of these source ids, in their order. Raises NotFoundError for the first that does not exist."""
    found = known_items(workspace, dataset, item_ids)
    missing = next((item_id for item_id in item_ids if item_id not in found), None)
    if missing is not None:
        raise NotFoundError(f"item in {dataset!r}", missing, hint="Look items up on the Items page.")
    return [found[item_id] for item_id in item_ids]


def known_items(workspace: Workspace, dataset: str, item_ids: Sequence[str]) -> dict[str, Item]:
    """Those of the source ids that exist, with their items."""
    with workspace.reading() as session:
        row = find_dataset(session, dataset)
        return {one.item_id: _item(one) for one in items_with_ids(session, row.id, item_ids)}


def item_detail(workspace: Workspace, dataset: str, item_id: str | None = None) -> ItemDetail:
    """One item with all its archetypes; without an id the item that has most of them.

    Raises NotFoundError for an unknown data set or item.
    """
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        row = find_item(session, owner, item_id) if item_id is not None else _first(session, owner)
        texts = archetype_rows.texts_of_item(session, owner.id, row.position)
        failed = archetype_rows.failures(session, owner.id, row.position)
        pinned = session.get(PinRow, (owner.id, row.position))
        rank = popularity_rank(session, row)
    return ItemDetail(
        item=_item(row),
        rank=rank,
        of=owner.n_items,
        attributes=row.attributes,
        description=row.description,
        archetypes=[_text(one, text) for one, text in texts],
        failures=[_failed(*one) for one in failed],
        pinned=pinned.set_id if pinned else None,
    )


def failed_archetypes(workspace: Workspace, dataset: str) -> list[FailedArchetype]:
    """What the last attempts could not write, newest first, at most 200. Raises NotFoundError for an unknown data set."""
    with workspace.reading() as session:
        return [_failed(*one) for one in archetype_rows.failures(session, find_dataset(session, dataset).id)]


def archetype_snippets(workspace: Workspace, dataset: str, item_ids: Sequence[str]) -> dict[str, str]:
    """The first audience (or else the opening) that the fullest archetype set gives some items, by source id.

    Items without an archetype there are left out.
    """
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        fullest = archetype_rows.fullest_set(session, owner.id)
        if fullest is None:
            return {}
        ids = {one.position: one.item_id for one in items_with_ids(session, owner.id, item_ids)}
        texts = archetype_rows.texts_of_items(session, fullest.id, list(ids))
    parts = {ids[position]: split_segments(text) for position, text in texts.items()}
    return {item_id: next(iter(part.audiences), part.opening) for item_id, part in parts.items()}


def _first(session: Session, owner: DatasetRow) -> ItemRow:
    written = archetype_rows.first_item_with_text(session, owner.id)
    return written or item_search.search_items(session, owner.id, limit=1).rows[0]


def _item(row: ItemRow) -> Item:
    return Item(
        position=row.position,
        item=row.item_id,
        title=row.title,
        brand=row.brand,
        categories=row.categories,
        popularity=row.popularity,
        popularity_group=row.popularity_group,
    )


def _text(row: ArchetypeSetRow, text: ArchetypeRow) -> ArchetypeText:
    parts = split_segments(text.text)
    return ArchetypeText(
        archetypes=row.id,
        model=row.model,
        revision=row.revision,
        backend=row.backend,
        text=text.text,
        opening=parts.opening,
        audiences=list(parts.audiences),
        closing=parts.closing,
        prompt_version=row.prompt_version,
        prompt=row.prompt,
        prompt_tokens=text.prompt_tokens,
        generated_tokens=text.generated_tokens,
        finish=text.finish,
        seconds=text.seconds,
        sampling=row.sampling,
        seed=row.seed,
        device=text.device,
        created_at=text.created_at,
    )


def _failed(row: ArchetypeSetRow, failure: ArchetypeFailureRow, item: ItemRow) -> FailedArchetype:
    return FailedArchetype(
        item=item.item_id,
        title=item.title,
        archetypes=row.id,
        model=row.model,
        prompt_version=row.prompt_version,
        reason=failure.reason,
        created_at=failure.created_at,
    )
