"""Sets of texts and the texts in them, in the database. Functions leave the transaction to the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, delete, func, select, true
from sqlalchemy.orm import Session

from genair_engine.errors import NotFoundError
from genair_engine.store.tables import ItemRow, TextFailureRow, TextRow, TextSetRow

ARCHETYPE = "archetype"
"""The kind of the paper's texts, which most of what is done with texts is about."""


def find_set(session: Session, dataset_id: int, name: str, kind: str | None = ARCHETYPE) -> TextSetRow:
    """The set of a kind (None: of any) with that id, or that model's set of it with the most texts (the newest of equals).

    Raises NotFoundError with the models that have written such texts for the data set.
    """
    sets = list_sets(session, dataset_id, kind)
    by_id = {row.id: row for row, _ in sets}
    if name in by_id:
        return by_id[name]
    of_model = [(count, row.created_at, row.id) for row, count in sets if row.model == name]
    if not of_model:
        known = {row.model for row, _ in sets} | by_id.keys()
        texts = f"{kind}s" if kind else "texts"
        raise NotFoundError(f"{kind or 'text'} set or model with {texts}", name, known, "Write them with `generate` first.")
    return by_id[max(of_model)[2]]


def find_set_by_key(session: Session, dataset_id: int, key: str) -> TextSetRow | None:
    """The set that this configuration has made before, or None."""
    return session.scalar(select(TextSetRow).where(TextSetRow.dataset_id == dataset_id, TextSetRow.key == key))


def list_sets(session: Session, dataset_id: int, kind: str | None = ARCHETYPE) -> list[tuple[TextSetRow, int]]:
    """A data set's sets of a kind (None: of all kinds) with their number of texts, oldest first."""
    texts = select(TextRow.set_id, func.count().label("texts")).group_by(TextRow.set_id).subquery()
    rows = session.execute(
        select(TextSetRow, func.coalesce(texts.c.texts, 0))
        .outerjoin(texts, texts.c.set_id == TextSetRow.id)
        .where(TextSetRow.dataset_id == dataset_id, _of_kind(kind))
        .order_by(TextSetRow.created_at, TextSetRow.id)
    )
    return [(row, count) for row, count in rows]


def _of_kind(kind: str | None) -> ColumnElement[bool]:
    return true() if kind is None else TextSetRow.kind == kind


def states_by(row: TextSetRow) -> tuple[str, str]:
    """Model and revision whose states a set holds: of the language model that read its texts, or else that wrote them."""
    return row.sampling.get("reader", row.model), row.sampling.get("reader_revision", row.revision)


def reader_of(row: TextSetRow) -> str | None:
    """The language model or encoder that read a set's texts, None where who wrote them gave the states too."""
    return row.sampling.get("reader") or row.sampling.get("encoder")


def fullest_set(session: Session, dataset_id: int) -> TextSetRow | None:
    """The set with the most archetypes of a data set (the oldest among equals), None where it has none."""
    return max(list_sets(session, dataset_id), key=lambda pair: pair[1], default=(None, 0))[0]


def written_positions(session: Session, set_id: str) -> set[int]:
    """Items that have a text in the set."""
    return set(session.scalars(select(TextRow.position).where(TextRow.set_id == set_id)))


def settle_failures(session: Session, set_id: str, failed: Mapping[int, str], written: Sequence[int]) -> None:
    """Keeps why these items failed, and forgets earlier failures of items that have been written."""
    settled = [*failed, *written]
    session.execute(delete(TextFailureRow).where(TextFailureRow.set_id == set_id, TextFailureRow.position.in_(settled)))
    session.add_all(TextFailureRow(set_id=set_id, position=item, reason=reason) for item, reason in failed.items())


def texts_of_set(session: Session, set_id: str) -> dict[int, str]:
    """Item position to text."""
    rows = session.execute(select(TextRow.position, TextRow.text).where(TextRow.set_id == set_id))
    return {position: text for position, text in rows}


def texts_of_item(session: Session, dataset_id: int, position: int, kind: str = ARCHETYPE) -> list[tuple[TextSetRow, TextRow]]:
    """Every text of a kind about one item with the set that says how it was written, oldest set first."""
    rows = session.execute(
        select(TextSetRow, TextRow)
        .join(TextRow, TextRow.set_id == TextSetRow.id)
        .where(TextSetRow.dataset_id == dataset_id, TextSetRow.kind == kind, TextRow.position == position)
        .order_by(TextSetRow.created_at, TextSetRow.id)
    )
    return [(set_row, text_row) for set_row, text_row in rows]


def texts_of_items(session: Session, set_id: str, positions: Sequence[int]) -> dict[int, str]:
    """Texts of the set for some items."""
    rows = session.execute(
        select(TextRow.position, TextRow.text).where(TextRow.set_id == set_id, TextRow.position.in_(positions))
    )
    return {position: text for position, text in rows}


def first_item_with_text(session: Session, dataset_id: int, kind: str = ARCHETYPE) -> ItemRow | None:
    """The item that most sets of a kind have a text of, the most popular among equals: a good one to show first."""
    texts = (
        select(TextRow.position, func.count().label("texts"))
        .join(TextSetRow, TextSetRow.id == TextRow.set_id)
        .where(TextSetRow.dataset_id == dataset_id, TextSetRow.kind == kind)
        .group_by(TextRow.position)
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
            func.coalesce(func.avg(TextRow.seconds), 0.0),
            func.coalesce(func.avg(TextRow.generated_tokens), 0.0),
            func.max(TextRow.id),
        ).where(TextRow.set_id == set_id)
    ).one()
    device = session.scalar(select(TextRow.device).where(TextRow.id == newest))
    return texts, float(seconds), float(tokens), device or ""


def failures(
    session: Session, dataset_id: int, position: int | None = None, kind: str | None = ARCHETYPE, limit: int = 200
) -> list[tuple[TextSetRow, TextFailureRow, ItemRow]]:
    """What could not be written of one item, or of a data set's items, with set and item, newest first.

    kind: of the texts, None for all kinds that are about items.
    """
    query = (
        select(TextSetRow, TextFailureRow, ItemRow)
        .join(TextFailureRow, TextFailureRow.set_id == TextSetRow.id)
        .join(ItemRow, (ItemRow.dataset_id == TextSetRow.dataset_id) & (ItemRow.position == TextFailureRow.position))
        .where(TextSetRow.dataset_id == dataset_id, TextSetRow.unit == "item", _of_kind(kind))
        .order_by(TextFailureRow.created_at.desc(), TextFailureRow.position)
        .limit(limit)
    )
    if position is not None:
        query = query.where(TextFailureRow.position == position)
    return [(text_set, failure, item) for text_set, failure, item in session.execute(query)]
