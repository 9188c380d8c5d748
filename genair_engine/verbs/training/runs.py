"""Runs as they stand in the workspace: rows of the database as results."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy.orm import Session, object_session

from genair_engine.methods.config import RunConfig
from genair_engine.store import runs as rows
from genair_engine.store.datasets import find_dataset
from genair_engine.store.metrics import load_metrics
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow
from genair_engine.verbs.training.results import RunResult
from genair_engine.workspace import Workspace


def run_result(workspace: Workspace, name: str) -> RunResult:
    """A run as it stands in the workspace. Raises NotFoundError."""
    with workspace.reading() as session:
        run, owner = rows.find_run(session, name)
        return to_results(session, [run], owner)[0]


def runs_of(
    workspace: Workspace, dataset: str, limit: int | None = None, states: Sequence[str] = (), names: Sequence[str] = ()
) -> list[RunResult]:
    """A data set's runs, newest first, without metrics of groups of users; all, or so many.

    states, names: only those in these states, or of these ids, as far as there are any. Raises NotFoundError for an unknown
    data set.
    """
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        return to_results(session, rows.list_runs(session, owner.id, limit, states, names), owner, groups=False)


def run_of_job(workspace: Workspace, job: str) -> RunResult | None:
    """The run that a job has finished; None where it has finished none."""
    with workspace.reading() as session:
        name = rows.finished_run_of_job(session, job)
    return run_result(workspace, name) if name else None


def deviations_of(run: RunRow) -> list[str]:
    """`RunConfig.departures` of a run and of its representation; of a run that this version cannot read, that.

    The row's session must be open: the representation is looked up in it.
    """
    session, representation = object_session(run), run.representation_id
    return _deviations(run, session.get(RepresentationRow, representation) if session and representation else None)


def _deviations(run: RunRow, representation: RepresentationRow | None) -> list[str]:
    try:
        config = RunConfig.stored(run.config)
    except ValidationError:
        return [f"a configuration of version {run.code_version}, which this version cannot read"]
    return config.departures(list(representation.dims) if representation else [])


def to_results(session: Session, runs: Sequence[RunRow], owner: DatasetRow, groups: bool = True) -> list[RunResult]:
    """Runs of a data set as results, in as many queries as for one. groups: with the metrics of groups of users."""
    metrics = load_metrics(session, [run.id for run in runs], groups)
    read = any(run.representation_id for run in runs)
    representations = {row.id: row for row in rows.list_representations(session, owner.id)} if read else {}
    return [
        RunResult(
            run=run.id,
            dataset=owner.name,
            representation=run.representation_id,
            state=run.state,
            config=run.config,
            deviations=_deviations(run, representations.get(run.representation_id or "")),
            protocol=run.protocol,
            device=run.device,
            trainable_parameters=run.trainable_parameters or 0,
            efficiency=run.efficiency,
            epochs=run.epochs_done,
            best_epoch=run.best_epoch or 0,
            seconds_per_epoch=run.seconds_per_epoch or 0.0,
            peak_memory_mb=run.peak_memory_mb or 0.0,
            metrics=metrics[run.id],
            created_at=run.created_at,
        )
        for run in runs
    ]
