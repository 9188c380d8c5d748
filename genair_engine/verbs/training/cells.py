"""A cell of a sweep: the finished runs of one configuration, taken from the workspace where they are there, else trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from genair_engine.errors import NonFiniteError
from genair_engine.store import runs as rows
from genair_engine.verbs.base import Progress
from genair_engine.verbs.training import fitting
from genair_engine.verbs.training.grid import Configuration
from genair_engine.verbs.training.requests import TrainRequest
from genair_engine.verbs.training.results import RunResult
from genair_engine.verbs.training.runs import run_result
from genair_engine.workspace import Workspace


@dataclass
class Trained:
    """The finished runs of a configuration, and the seeds that diverged."""

    configuration: Configuration
    runs: list[RunResult] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def train_or_reuse(workspace: Workspace, request: TrainRequest, progress: Progress) -> RunResult:
    """The run of exactly this configuration, or else a new or resumed one.

    Raises NonFiniteError when it diverges, and at once when it has: it would again.
    """
    asked = fitting.plan(workspace, request)
    with workspace.reading() as session:
        over = rows.runs_of_key(session, asked.owner.id, asked.key, ("done", "failed"))
    if over and over[0].state == "failed":
        raise NonFiniteError(str(over[0].error))
    return run_result(workspace, over[0].id) if over else fitting.train(workspace, request, progress)
