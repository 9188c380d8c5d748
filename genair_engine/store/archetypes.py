"""Archetype sets and the texts in them, in the database. Functions leave the transaction to the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from genair_engine.errors import NotFoundError
from genair_engine.store.tables import ArchetypeFailureRow, ArchetypeRow, ArchetypeSetRow, ItemRow


def find_set(session: Session, dataset_id: int, name: str) -> ArchetypeSetRow:
    """The set with that id, or the set of that model with the most texts (the newest among equals).

    Raises NotFoundError with the models that have written archetypes for the data set.
    """
    sets = list_sets(session, dataset_id)
    by_id = {row.id: row for row, _ in sets}
    if name in by_id:
        return by_id[name]
    of_model = [(count, row.created_at, row.id) for row, count in sets if row.model == name]
    if not of_model:
        known = {row.model for row, _ in sets} | by_id.keys()
        raise NotFoundError("archetype set or model with archetypes", name, known, "Write them with `generate` first.")
    return by_id[max(of_model)[2]]


def find_set_by_key(session: Session, dataset_id: int, key: str) -> ArchetypeSetRow | None:
    """The set that this configuration has made before, or None."""
    return session.scalar(select(ArchetypeSetRow).where(ArchetypeSetRow.dataset_id == dataset_id, ArchetypeSetRow.key == key))


def list_sets(session: Session, dataset_id: int) -> list[tuple[ArchetypeSetRow, int]]:
    """All sets of a data set with their number of texts, oldest first."""
    texts = select(ArchetypeRow.set_id, func.count().label("texts")).group_by(ArchetypeRow.set_id).subquery()
    rows = session.execute(
        select(ArchetypeSetRow, func.coalesce(texts.c.texts, 0))
        .outerjoin(texts, texts.c.set_id == ArchetypeSetRow.id)
        .where(ArchetypeSetRow.dataset_id == dataset_id)
        .order_by(ArchetypeSetRow.created_at, ArchetypeSetRow.id)
    )
    return [(row, count) for row, count in rows]


def states_by(row: ArchetypeSetRow) -> tuple[str, str]:
    """Model and revision whose states a set holds: of the language model that read its texts, or else that wrote them."""
    return row.sampling.get("reader", row.model), row.sampling.get("reader_revision", row.revision)


def reader_of(row: ArchetypeSetRow) -> str | None:
    """The language model or encoder that read a set's texts, None where who wrote them gave the states too."""
    return row.sampling.get("reader") or row.sampling.get("encoder")


def fullest_set(session: Session, dataset_id: int) -> ArchetypeSetRow | None:
    """The set with the most texts of a data set (the oldest among equals), None where it has none."""
    return max(list_sets(session, dataset_id), key=lambda pair: pair[1], default=(None, 0))[0]


def written_positions(session: Session, set_id: str) -> set[int]:
    """Items that have a text in the set."""
    return set(session.scalars(select(ArchetypeRow.position).where(ArchetypeRow.set_id == set_id)))


def failures_of_set(session: Session, set_id: str) -> dict[int, str]:
    """Item position to why the last attempt wrote no text of it, in the catalogue's order."""
    rows = session.execute(
        select(ArchetypeFailureRow.position, ArchetypeFailureRow.reason)
        .where(ArchetypeFailureRow.set_id == set_id)
        .order_by(ArchetypeFailureRow.position)
    )
    return {position: reason for position, reason in rows}


def settle_failures(session: Session, set_id: str, failed: Mapping[int, str], written: Sequence[int]) -> None:
    """Keeps why these items failed, and forgets earlier failures of items that have been written."""
    settled = [*failed, *written]
    session.execute(
        delete(ArchetypeFailureRow).where(ArchetypeFailureRow.set_id == set_id, ArchetypeFailureRow.position.in_(settled))
    )
    session.add_all(ArchetypeFailureRow(set_id=set_id, position=item, reason=reason) for item, reason in failed.items())


def texts_of_set(session: Session, set_id: str) -> dict[int, str]:
    """Item position to text."""
    rows = session.execute(select(ArchetypeRow.position, ArchetypeRow.text).where(ArchetypeRow.set_id == set_id))
    return {position: text for position, text in rows}


def texts_of_item(session: Session, dataset_id: int, position: int) -> list[tuple[ArchetypeSetRow, ArchetypeRow]]:
    """Every archetype of one item with the set that says how it was written, oldest set first."""
    rows = session.execute(
        select(ArchetypeSetRow, ArchetypeRow)
        .join(ArchetypeRow, ArchetypeRow.set_id == ArchetypeSetRow.id)
        .where(ArchetypeSetRow.dataset_id == dataset_id, ArchetypeRow.position == position)
        .order_by(ArchetypeSetRow.created_at, ArchetypeSetRow.id)
    )
    return [(set_row, text_row) for set_row, text_row in rows]


def texts_of_items(session: Session, set_id: str, positions: Sequence[int]) -> dict[int, str]:
    """Texts of the set for some items."""
    rows = session.execute(
        select(ArchetypeRow.position, ArchetypeRow.text).where(
            ArchetypeRow.set_id == set_id, ArchetypeRow.position.in_(positions)
        )
    )
    return {position: text for position, text in rows}


def first_item_with_text(session: Session, dataset_id: int) -> ItemRow | None:
    """The item that most archetype sets have a text of, the most popular among equals: a good one to show first."""
    texts = (
        select(ArchetypeRow.position, func.count().label("texts"))
        .join(ArchetypeSetRow, ArchetypeSetRow.id == ArchetypeRow.set_id)
        .where(ArchetypeSetRow.dataset_id == dataset_id)
        .group_by(ArchetypeRow.position)
        .subquery()
    )
    return session.scalar(
        select(ItemRow)
        .join(texts, texts.c.position == ItemRow.position)
        .where(ItemRow.dataset_id == dataset_id)
        .order_by(texts.c.texts.desc(), ItemRow.popularity.desc(), ItemRow.position)
        .limit(1)
    )


def pace_of_set(session: Session, set_id: str) -> tuple[int, float, float, str]:
    """Number of texts, mean seconds and mean written tokens a text, and the device that wrote the newest ("" for none)."""
    texts, seconds, tokens, newest = session.execute(
        select(
            func.count(),
            func.coalesce(func.avg(ArchetypeRow.seconds), 0.0),
            func.coalesce(func.avg(ArchetypeRow.generated_tokens), 0.0),
            func.max(ArchetypeRow.id),
        ).where(ArchetypeRow.set_id == set_id)
    ).one()
    device = session.scalar(select(ArchetypeRow.device).where(ArchetypeRow.id == newest))
    return texts, float(seconds), float(tokens), device or ""


def failures(
    session: Session, dataset_id: int, position: int | None = None, limit: int = 200
) -> list[tuple[ArchetypeSetRow, ArchetypeFailureRow, ItemRow]]:
    """What could not be written of one item, or of a data set's items, with set and item, newest first."""
    query = (
        select(ArchetypeSetRow, ArchetypeFailureRow, ItemRow)
        .join(ArchetypeFailureRow, ArchetypeFailureRow.set_id == ArchetypeSetRow.id)
        .join(ItemRow, (ItemRow.dataset_id == ArchetypeSetRow.dataset_id) & (ItemRow.position == ArchetypeFailureRow.position))
        .where(ArchetypeSetRow.dataset_id == dataset_id)
        .order_by(ArchetypeFailureRow.created_at.desc(), ArchetypeFailureRow.position)
        .limit(limit)
    )
    if position is not None:
        query = query.where(ArchetypeFailureRow.position == position)
    return [(one, failure, item) for one, failure, item in session.execute(query)]
