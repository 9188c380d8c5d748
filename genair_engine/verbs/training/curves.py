"""Reading verbs for whoever watches training: a data set's runs, and their epochs, in a handful of queries for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from genair_engine.store import runs as rows
from genair_engine.store.datasets import find_dataset
from genair_engine.store.tables import RunEpochRow
from genair_engine.verbs.base import Record
from genair_engine.verbs.training.results import RunResult
from genair_engine.verbs.training.runs import to_results
from genair_engine.workspace import Workspace


class WatchedRun(Record):
    """A run, the job that trained it last (None: the command line did), and why it failed, if it did."""

    result: RunResult
    job: str | None
    error: str | None


class Epoch(Record):
    """One epoch of a run, counted over its stages. losses: means over steps ("rank", "total", "calibration" where it is on).
    valid: full-ranking metrics of the validation items. seconds: validation not counted."""

    epoch: int
    stage: str
    losses: dict[str, float]
    valid: dict[str, float]
    seconds: float


def watched_runs(workspace: Workspace, dataset: str, limit: int = 100) -> list[WatchedRun]:
    """The newest runs of a data set, newest first, without metrics of groups of users. Raises NotFoundError for an unknown
    data set."""
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        newest = rows.list_runs(session, owner.id, limit)
        results = to_results(session, newest, owner, groups=False)
        return [
            WatchedRun(result=result, job=row.job_id, error=row.error) for row, result in zip(newest, results, strict=True)
        ]


def run_epochs(workspace: Workspace, runs: Sequence[str]) -> dict[str, list[Epoch]]:
    """The epochs of some runs so far, in order; a run that has none yet has an empty list. One query."""
    epochs: dict[str, list[Epoch]] = {run: [] for run in runs}
    with workspace.reading() as session:
        query = select(RunEpochRow).where(RunEpochRow.run_id.in_(runs)).order_by(RunEpochRow.run_id, RunEpochRow.epoch)
        for row in session.scalars(query):
            epochs[row.run_id].append(
                Epoch(epoch=row.epoch, stage=row.stage, losses=row.losses, valid=row.valid, seconds=row.seconds)
            )
    return epochs
