"""Runs as they stand in the workspace: rows of the database as results."""

from __future__ import annotations

from sqlalchemy.orm import object_session

from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow
from genair_engine.training.config import TrainingConfig
from genair_engine.verbs.training.results import RunResult
from genair_engine.workspace import Workspace


def run_result(workspace: Workspace, name: str) -> RunResult:
    """A run as it stands in the workspace. Raises NotFoundError."""
    with workspace.reading() as session:
        return to_result(*rows.find_run(session, name))


def run_of_job(workspace: Workspace, job: str) -> RunResult | None:
    """The run that a job has finished; None where it has finished none."""
    with workspace.reading() as session:
        name = rows.finished_run_of_job(session, job)
    return run_result(workspace, name) if name else None


def deviations_of(run: RunRow) -> list[str]:
    """`TrainingConfig.deviations` of a run, also of one that today's checks would refuse, and those of its representation.

    The row's session must be open: the representation is looked up in it.
    """
    config, session = TrainingConfig.model_construct(**run.config), object_session(run)
    reads = session is not None and run.representation_id is not None
    return deviations_with(config, session.get(RepresentationRow, run.representation_id) if session and reads else None)


def deviations_with(config: TrainingConfig, representation: RepresentationRow | None) -> list[str]:
    """`TrainingConfig.deviations`, and those of the representation that is read."""
    deviations = config.deviations()
    if representation is not None and "title" in representation.dims and config.without != "title":
        deviations.append("titles as one more part of the representation (extension)")
    return deviations


def to_result(run: RunRow, owner: DatasetRow) -> RunResult:
    """A run with its data set as a result, while the rows' session is open."""
    return RunResult(
        run=run.id,
        dataset=owner.name,
        representation=run.representation_id,
        state=run.state,
        config=run.config,
        deviations=deviations_of(run),
        protocol=run.protocol,
        device=run.device,
        trainable_parameters=run.trainable_parameters or 0,
        efficiency=run.efficiency,
        epochs=run.epochs_done,
        best_epoch=run.best_epoch or 0,
        seconds_per_epoch=run.seconds_per_epoch or 0.0,
        peak_memory_mb=run.peak_memory_mb or 0.0,
        metrics=run.metrics,
        created_at=run.created_at,
    )
