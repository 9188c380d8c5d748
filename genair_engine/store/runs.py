"""Representations and training runs in the database. Functions leave the transaction to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, and_, exists, not_, select, update
from sqlalchemy.orm import Session

from genair_engine.errors import NotFoundError
from genair_engine.store.jobs import clock
from genair_engine.store.tables import DatasetRow, JobRow, RepresentationRow, RunRow

UNFINISHED = ("training", "stopped")
"""States from which a run goes on."""


def find_representation(session: Session, dataset: DatasetRow, name: str) -> RepresentationRow:
    """The representation of that id. Raises NotFoundError with the ids that the data set has."""
    row = session.get(RepresentationRow, name)
    if row is None or row.dataset_id != dataset.id:
        known = [one.id for one in list_representations(session, dataset.id)]
        raise NotFoundError(f"representation of {dataset.name!r}", name, known, "Make one with `represent`.")
    return row


def list_representations(session: Session, dataset_id: int) -> Sequence[RepresentationRow]:
    """All representations of a data set, oldest first."""
    return session.scalars(
        select(RepresentationRow)
        .where(RepresentationRow.dataset_id == dataset_id)
        .order_by(RepresentationRow.created_at, RepresentationRow.id)
    ).all()


def find_run(session: Session, name: str) -> tuple[RunRow, DatasetRow]:
    """The run of that id and its data set. Raises NotFoundError with the newest runs."""
    found = session.execute(
        select(RunRow, DatasetRow).join(DatasetRow, DatasetRow.id == RunRow.dataset_id).where(RunRow.id == name)
    ).first()
    if found is None:
        known = session.scalars(select(RunRow.id).order_by(RunRow.created_at.desc()).limit(50)).all()
        raise NotFoundError(
            "run", name, known, "Runs go when their data set is deleted." if known else "Train one with `train`."
        )
    return found[0], found[1]


def sources_of_vectors(session: Session, most: int = 50) -> list[str]:
    """Ids of what has item vectors: the newest finished runs and representations."""
    runs = select(RunRow.id).where(RunRow.state == "done").order_by(RunRow.created_at.desc()).limit(most)
    made = select(RepresentationRow.id).order_by(RepresentationRow.created_at.desc()).limit(most)
    return [*session.scalars(runs), *session.scalars(made)]


def list_runs(session: Session, dataset_id: int, limit: int | None = None) -> Sequence[RunRow]:
    """The runs of a data set, newest first; all, or so many."""
    return session.scalars(
        select(RunRow).where(RunRow.dataset_id == dataset_id).order_by(RunRow.created_at.desc(), RunRow.id).limit(limit)
    ).all()


def runs_of_key(session: Session, dataset_id: int, config_key: str, states: Sequence[str]) -> Sequence[RunRow]:
    """Runs of exactly this configuration that are in one of these states, newest first."""
    return session.scalars(
        select(RunRow)
        .where(RunRow.dataset_id == dataset_id, RunRow.config_key == config_key, RunRow.state.in_(states))
        .order_by(RunRow.created_at.desc(), RunRow.id)
    ).all()


def claim_run(session: Session, run: str, job: str | None) -> bool:
    """Makes a run that waits to go on a job's (None: a command's); False where it has ended, or another live job trains it.

    One statement, so that of two machines only one gets it.
    """
    trains = exists().where(JobRow.id == RunRow.job_id, JobRow.state == "running", JobRow.lease_until > clock(session))
    anothers = and_(RunRow.state == "training", RunRow.job_id.is_distinct_from(job), trains)
    statement = update(RunRow).where(RunRow.id == run, RunRow.state.in_(UNFINISHED), not_(anothers))
    return _changed(session, statement.values(state="training", error=None, job_id=job))


def change_run(session: Session, run: str, job: str | None, **values: Any) -> bool:
    """Changes a run that the job (None: a command) is training; False where it no longer is, and nothing has changed."""
    ours = update(RunRow).where(RunRow.id == run, RunRow.state == "training", RunRow.job_id.is_not_distinct_from(job))
    return _changed(session, ours.values(**values))


def _changed(session: Session, statement: Any) -> bool:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


def finished_run_of_job(session: Session, job: str) -> str | None:
    """The run that a job has trained to its end."""
    return session.scalars(select(RunRow.id).where(RunRow.job_id == job, RunRow.state == "done")).first()


def representation_of_job(session: Session, job: str) -> tuple[RepresentationRow, DatasetRow] | None:
    """The representation that a job has made, and its data set."""
    found = session.execute(
        select(RepresentationRow, DatasetRow)
        .join(DatasetRow, DatasetRow.id == RepresentationRow.dataset_id)
        .where(RepresentationRow.job_id == job)
    ).first()
    return (found[0], found[1]) if found else None
