"""Representations and runs in the database, and tables of runs' results. Functions leave the transaction to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Select, and_, exists, func, not_, select, update
from sqlalchemy.orm import Session

from genair_engine.errors import NotFoundError
from genair_engine.store.jobs import clock
from genair_engine.store.tables import DatasetRow, JobRow, RepresentationRow, RunMetricRow, RunRow

UNFINISHED = ("training", "stopped")
"""States from which a run goes on."""


@dataclass(frozen=True)
class LeaderboardRow:
    """A finished run in a table of results. backbone, loss: "" where it has none. metrics: None where one was not measured."""

    dataset: str
    run: str
    backbone: str
    method: str
    loss: str
    seed: int
    metrics: dict[str, float | None]


def find_representation(session: Session, dataset: DatasetRow, name: str) -> RepresentationRow:
    """The representation of that id. Raises NotFoundError with the ids that the data set has."""
    row = session.get(RepresentationRow, name)
    if row is None or row.dataset_id != dataset.id:
        known = [representation.id for representation in list_representations(session, dataset.id)]
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
    pair = session.execute(
        select(RunRow, DatasetRow).join(DatasetRow, DatasetRow.id == RunRow.dataset_id).where(RunRow.id == name)
    ).first()
    if pair is None:
        known = session.scalars(select(RunRow.id).order_by(RunRow.created_at.desc()).limit(50)).all()
        raise NotFoundError(
            "run", name, known, "Runs go when their data set is deleted." if known else "Train one with `train`."
        )
    return pair[0], pair[1]


def sources_of_vectors(session: Session, most: int = 50) -> list[str]:
    """Ids of what has item vectors: the newest finished runs and representations."""
    runs = select(RunRow.id).where(RunRow.state == "done").order_by(RunRow.created_at.desc()).limit(most)
    represented = select(RepresentationRow.id).order_by(RepresentationRow.created_at.desc()).limit(most)
    return [*session.scalars(runs), *session.scalars(represented)]


def list_runs(
    session: Session,
    dataset_id: int,
    limit: int | None = None,
    states: Sequence[str] = (),
    names: Sequence[str] = (),
) -> Sequence[RunRow]:
    """The runs of a data set, newest first; all, or so many. states, names: only those in these states, or of these ids."""
    query = select(RunRow).where(RunRow.dataset_id == dataset_id).order_by(RunRow.created_at.desc(), RunRow.id)
    if states:
        query = query.where(RunRow.state.in_(states))
    if names:
        query = query.where(RunRow.id.in_(names))
    return session.scalars(query.limit(limit)).all()


def count_runs(session: Session) -> dict[int, dict[str, int]]:
    """Data set id → state → how many runs; one query for all data sets."""
    query = select(RunRow.dataset_id, RunRow.state, func.count()).group_by(RunRow.dataset_id, RunRow.state)
    counts: dict[int, dict[str, int]] = {}
    for dataset_id, state, number in session.execute(query):
        counts.setdefault(dataset_id, {})[state] = number
    return counts


def best_runs(session: Session, metric: str, part: str = "test", protocol: str = "full") -> dict[str, LeaderboardRow]:
    """Data set → its best finished run by that metric of all users; one query for all data sets."""
    place = func.row_number().over(partition_by=RunRow.dataset_id, order_by=(RunMetricRow.value.desc(), RunRow.id))
    ranked = (
        _finished()
        .add_columns(RunMetricRow.metric, RunMetricRow.value, place.label("place"))
        .join(RunMetricRow, _measured(part, protocol))
    )
    best = ranked.where(RunMetricRow.metric == metric).subquery()
    return {row.dataset: row for row in _table(session, select(best).where(best.c.place == 1), [metric])}


def leaderboard_rows(
    session: Session, metrics: Sequence[str], datasets: Sequence[str] = (), part: str = "test", protocol: str = "full"
) -> list[LeaderboardRow]:
    """Data set × backbone × method × seed: the finished runs with these metrics of all users, in this order.

    datasets: names; all by default. One query, which touches of a run's metrics only those that are asked for.
    """
    wanted = and_(_measured(part, protocol), RunMetricRow.metric.in_(metrics))
    query = _finished().add_columns(RunMetricRow.metric, RunMetricRow.value).join(RunMetricRow, wanted, isouter=True)
    if datasets:
        query = query.where(DatasetRow.name.in_(datasets))
    by_cell = query.order_by(DatasetRow.name, RunRow.backbone, RunRow.method, RunRow.seed, RunRow.created_at, RunRow.id)
    return _table(session, by_cell, metrics)


def _finished() -> Select[*tuple[Any, ...]]:
    """The finished runs with the fields of a `LeaderboardRow` but its metrics."""
    named = (DatasetRow.name.label("dataset"), RunRow.id.label("run"))
    columns = (*named, RunRow.backbone, RunRow.method, RunRow.loss, RunRow.seed)
    return select(*columns).join(DatasetRow, DatasetRow.id == RunRow.dataset_id).where(RunRow.state == "done")


def _table(session: Session, query: Select[*tuple[Any, ...]], metrics: Sequence[str]) -> list[LeaderboardRow]:
    """A row a run of a query that has one a run and metric, in its order."""
    table: dict[str, LeaderboardRow] = {}
    for row in session.execute(query).mappings():
        run = {name: row[name] for name in ("dataset", "run", "backbone", "method", "loss", "seed")}
        measured = table.setdefault(row["run"], LeaderboardRow(**run, metrics=dict.fromkeys(metrics))).metrics
        if row["metric"] is not None:
            measured[row["metric"]] = row["value"]
    return list(table.values())


def _measured(part: str, protocol: str) -> ColumnElement[bool]:
    """Joins a run with its metrics of all users."""
    return and_(
        RunMetricRow.run_id == RunRow.id,
        RunMetricRow.part == part,
        RunMetricRow.protocol == protocol,
        RunMetricRow.grouping == "",
        RunMetricRow.members == "",
    )


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
    pair = session.execute(
        select(RepresentationRow, DatasetRow)
        .join(DatasetRow, DatasetRow.id == RepresentationRow.dataset_id)
        .where(RepresentationRow.job_id == job)
    ).first()
    return (pair[0], pair[1]) if pair else None
