"""One item with everything known about it, and what archetypes say of several."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from genair_engine.archetypes.segments import split_segments
from genair_engine.store import search as item_search
from genair_engine.store import texts as text_rows
from genair_engine.store.datasets import find_dataset, find_item, items_with_ids, popularity_rank
from genair_engine.store.tables import DatasetRow, ItemRow, PinRow, TextFailureRow, TextRow, TextSetRow
from genair_engine.verbs.datasets.details import ArchetypeText, FailedArchetype, ItemDetail
from genair_engine.verbs.datasets.searching import item_of
from genair_engine.workspace import Workspace


def item_detail(workspace: Workspace, dataset: str, item_id: str | None = None, kind: str = text_rows.ARCHETYPE) -> ItemDetail:
    """One item with all its archetypes, or its texts of another kind; without an id the item that has most of them.

    Raises NotFoundError for an unknown data set or item.
    """
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        row = find_item(session, owner, item_id) if item_id is not None else _first(session, owner, kind)
        texts = text_rows.texts_of_item(session, owner.id, row.position, kind)
        failures = text_rows.failures(session, owner.id, row.position, kind)
        pinned = session.get(PinRow, (owner.id, row.position))
        rank = popularity_rank(session, row)
    return ItemDetail(
        item=item_of(row),
        rank=rank,
        of=owner.n_items,
        attributes=row.attributes,
        description=row.description,
        archetypes=[_text(archetype_set, text) for archetype_set, text in texts],
        failures=[_failed(*failure) for failure in failures],
        pinned=pinned.set_id if pinned else None,
    )


def failed_archetypes(workspace: Workspace, dataset: str) -> list[FailedArchetype]:
    """What the last attempts could not write, newest first, at most 200. Raises NotFoundError for an unknown data set."""
    with workspace.reading() as session:
        return [_failed(*failure) for failure in text_rows.failures(session, find_dataset(session, dataset).id)]


def archetype_snippets(workspace: Workspace, dataset: str, item_ids: Sequence[str]) -> dict[str, str]:
    """The first audience (or else the opening) that the fullest archetype set gives some items, by source id.

    Items without an archetype there are left out.
    """
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        fullest = text_rows.fullest_set(session, owner.id)
        if fullest is None:
            return {}
        ids = {item.position: item.item_id for item in items_with_ids(session, owner.id, item_ids)}
        texts = text_rows.texts_of_items(session, fullest.id, list(ids))
    parts = {ids[position]: split_segments(text) for position, text in texts.items()}
    return {item_id: next(iter(part.audiences), part.opening) for item_id, part in parts.items()}


def _first(session: Session, owner: DatasetRow, kind: str) -> ItemRow:
    written = text_rows.first_item_with_text(session, owner.id, kind)
    return written or item_search.search_items(session, owner.id, limit=1).rows[0]


def _text(row: TextSetRow, text: TextRow) -> ArchetypeText:
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


def _failed(row: TextSetRow, failure: TextFailureRow, item: ItemRow) -> FailedArchetype:
    return FailedArchetype(
        item=item.item_id,
        title=item.title,
        archetypes=row.id,
        model=row.model,
        prompt_version=row.prompt_version,
        reason=failure.reason,
        created_at=failure.created_at,
    )
