"""Scorecards of archetype sets in the database. Functions leave the transaction to the caller."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from genair_engine.store.tables import ScorecardRow, TextRow


def state_of_set(session: Session, set_id: str) -> tuple[int, int]:
    """The number of texts in a set and the id of the newest (0 for none): while both stay the same, so does what it holds."""
    row = session.execute(select(func.count(), func.coalesce(func.max(TextRow.id), 0)).where(TextRow.set_id == set_id)).one()
    return row[0], row[1]


def scorecards_of(session: Session, set_ids: Sequence[str], version: int) -> dict[str, ScorecardRow]:
    """Set id to scorecard, of those that were measured by this version of the definitions."""
    rows = session.scalars(select(ScorecardRow).where(ScorecardRow.set_id.in_(set_ids), ScorecardRow.version == version))
    return {row.set_id: row for row in rows}


def keep_scorecard(session: Session, row: ScorecardRow) -> str | None:
    """Puts a scorecard in the place of the set's earlier one, and returns that one's file, if there was one."""
    earlier = session.get(ScorecardRow, row.set_id)
    file = earlier.file if earlier else None
    session.merge(row)
    return file
