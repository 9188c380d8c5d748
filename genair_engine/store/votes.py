"""Votes on archetypes, and pinned archetypes, in the database. Functions leave the transaction to the caller."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from genair_engine.store.tables import ItemRow, PinRow, TextRow, TextSetRow, VoteRow


def list_votes(session: Session, dataset_id: int, position: int | None = None) -> list[tuple[VoteRow, str]]:
    """The votes on a data set's archetypes, or on one item's, with the item's source id, oldest first."""
    query = (
        select(VoteRow, ItemRow.item_id)
        .join(ItemRow, (ItemRow.dataset_id == VoteRow.dataset_id) & (ItemRow.position == VoteRow.position))
        .where(VoteRow.dataset_id == dataset_id)
        .order_by(VoteRow.created_at, VoteRow.id)
    )
    if position is not None:
        query = query.where(VoteRow.position == position)
    return [(vote, item_id) for vote, item_id in session.execute(query)]


def unrated_item(session: Session, dataset_id: int, set_ids: Sequence[str]) -> str | None:
    """The source id of an item, drawn at random, that all these sets have a text of and nobody has voted on; or None."""
    voted = select(VoteRow.position).where(VoteRow.dataset_id == dataset_id)
    query = select(ItemRow.item_id).where(ItemRow.dataset_id == dataset_id, ItemRow.position.not_in(voted))
    for set_id in set_ids:
        query = query.where(ItemRow.position.in_(select(TextRow.position).where(TextRow.set_id == set_id)))
    return session.scalar(query.order_by(func.random()).limit(1))


def pin_item(session: Session, row: PinRow) -> None:
    """Pins an item's archetype, in place of the one that was."""
    session.merge(row)


def unpin_item(session: Session, dataset_id: int, position: int) -> None:
    """Takes an item's pin off; does nothing where there is none."""
    session.execute(delete(PinRow).where(PinRow.dataset_id == dataset_id, PinRow.position == position))


def list_pins(session: Session, dataset_id: int) -> list[tuple[PinRow, ItemRow, TextSetRow]]:
    """All pins of a data set by item, with the item and the set of the pinned archetype."""
    rows = session.execute(
        select(PinRow, ItemRow, TextSetRow)
        .join(ItemRow, (ItemRow.dataset_id == PinRow.dataset_id) & (ItemRow.position == PinRow.position))
        .join(TextSetRow, TextSetRow.id == PinRow.set_id)
        .where(PinRow.dataset_id == dataset_id)
        .order_by(PinRow.position)
    )
    return [(pin, item, of) for pin, item, of in rows]
