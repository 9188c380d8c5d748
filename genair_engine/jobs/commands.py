"""What the terminal asks of jobs: `jobs [list|show|cancel|retry|log]`, and `worker`."""

from __future__ import annotations

import time
from typing import Literal, Self

from pydantic import Field, model_validator

from genair_engine.jobs import queue
from genair_engine.jobs.executors import Executor, LocalExecutor
from genair_engine.jobs.records import JobRecord, JobsRequest, JobsResult
from genair_engine.jobs.run import tell
from genair_engine.jobs.worker import Worker
from genair_engine.store import artifacts
from genair_engine.store import jobs as rows
from genair_engine.verbs.base import Progress, Request, Result, positional, silent
from genair_engine.workspace import Workspace

ONLY_ONE = "jobs"
"""The folder whose lock the laptop's worker holds."""
LEAVING_SECONDS = 10.0
CLUSTER_SLOTS = 32
"""Jobs at a time on a cluster, which lets wait what it has no room for."""


class JobsCommandRequest(JobsRequest):
    """List jobs and workers; show, cancel or retry one job, or print the end of its log."""

    action: Literal["list", "show", "cancel", "retry", "log"] = positional("what to do", default="list")
    job: str | None = positional("job, for all but list", default=None)
    lines: int = Field(200, ge=1, le=100_000, description="with log: at most so many lines of its end")

    @model_validator(mode="after")
    def _job_fits(self) -> Self:
        if (self.job is None) != (self.action == "list"):
            raise ValueError("name a job" if self.job is None else "list takes no job")
        return self


class LogResult(Result):
    """The end of a job's log."""

    job: str
    log: str

    def lines(self) -> list[str]:
        return self.log.splitlines() or ["The job has written nothing yet."]


class WorkerRequest(Request):
    """Run jobs until stopped (Ctrl-C asks them to stop at their next checkpoint and queues them again)."""

    slots: int = Field(0, ge=0, le=1000, description="jobs at a time; 0: one for each GPU, at least one; on a Ray cluster 32")
    idle_exit: float | None = Field(None, ge=0, description="leave after so long without a job; by default never [s]")
    only_one: bool = Field(False, description="leave at once if a worker with this option runs for the same workspace here")


class WorkerResult(Result):
    """settled: jobs whose processes ended under this worker."""

    worker: str
    settled: int

    def lines(self) -> list[str]:
        return [f"Worker {self.worker} has left; {self.settled:,} jobs ended under it."]


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
    one = Worker(workspace, executor, slots, request.idle_exit)
    if request.only_one:
        _run_alone(one)
    else:
        one.run()
    return WorkerResult(worker=one.id, settled=one.finished)


def _run_alone(one: Worker) -> None:
    """Works if no other such worker does. One that is just leaving holds the lock for a moment and takes no job any more."""
    until = time.monotonic() + LEAVING_SECONDS
    while time.monotonic() < until:
        with artifacts.locked(one.workspace.path(ONLY_ONE)) as ours:
            if ours:
                return one.run()
        with one.workspace.reading() as session:
            if rows.live_workers(session):
                return None
        time.sleep(0.2)
    return None


def _executor(workspace: Workspace) -> Executor:
    if workspace.settings.ray_address is None:
        return LocalExecutor(workspace.settings)
    from genair_engine.jobs.ray_executor import RayExecutor

    return RayExecutor(workspace.settings)
