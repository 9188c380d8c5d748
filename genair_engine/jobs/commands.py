"""What the terminal asks of jobs: `jobs [list|show|cancel|retry|log]`, and `worker`."""

from __future__ import annotations

import time

from genair_engine.jobs import queue
from genair_engine.jobs.executors import Executor, LocalExecutor
from genair_engine.jobs.requests import (
    JobRecord,
    JobsCommandRequest,
    JobsResult,
    LogResult,
    WorkerRequest,
    WorkerResult,
)
from genair_engine.jobs.run import tell
from genair_engine.jobs.worker import Worker
from genair_engine.store import artifacts
from genair_engine.store import jobs as rows
from genair_engine.verbs.base import Progress, silent
from genair_engine.workspace import Workspace

ONLY_ONE = "jobs"
"""The folder whose lock the laptop's worker holds."""
LEAVING_SECONDS = 10.0
CLUSTER_SLOTS = 32
"""Jobs at a time on a cluster, which lets wait what it has no room for."""


def jobs_command(
    workspace: Workspace, request: JobsCommandRequest, progress: Progress = silent
) -> JobsResult | JobRecord | LogResult:
    """Raises NotFoundError, InputError."""
    if request.job is None:
        return queue.jobs(workspace, request, progress)
    if request.action == "log":
        return LogResult(job=request.job, log=queue.log_tail(workspace, request.job, request.lines))
    return {"show": queue.job, "cancel": queue.cancel, "retry": queue.retry}[request.action](workspace, request.job)


def worker(workspace: Workspace, request: WorkerRequest, progress: Progress = silent) -> WorkerResult:  # noqa: ARG001
    """Works until it is told to leave."""
    tell()
    executor = _executor(workspace)
    slots = request.slots or (CLUSTER_SLOTS if executor.name == "ray" else 0)
    working = Worker(workspace, executor, slots, request.idle_exit)
    if request.only_one:
        _run_alone(working)
    else:
        working.run()
    return WorkerResult(worker=working.id, settled=working.finished)


def _run_alone(working: Worker) -> None:
    """Works if no other such worker does. One that is just leaving holds the lock for a moment and takes no job any more."""
    until = time.monotonic() + LEAVING_SECONDS
    while time.monotonic() < until:
        with artifacts.locked(working.workspace.path(ONLY_ONE)) as ours:
            if ours:
                return working.run()
        with working.workspace.reading() as session:
            if rows.live_workers(session):
                return None
        time.sleep(0.2)
    return None


def _executor(workspace: Workspace) -> Executor:
    if workspace.settings.ray_address is None:
        return LocalExecutor(workspace.settings)
    from genair_engine.jobs.ray_executor import RayExecutor

    return RayExecutor(workspace.settings)
