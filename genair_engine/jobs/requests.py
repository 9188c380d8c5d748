"""What `jobs` and `worker` are asked and answer: jobs and workers as pages and the terminal see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from genair_engine.jobs.gpus import Gpu
from genair_engine.verbs.base import Record, Request, Result, Verb, positional

State = Literal["queued", "running", "done", "failed", "cancelled"]


class JobsRequest(Request):
    """List the newest jobs and the workers that are alive."""

    states: list[State] = Field([], description="only jobs in these states (queued, running, done, failed, cancelled)")
    kinds: list[str] = Field([], description="only jobs of these kinds (import, generate, represent, train, …)")
    limit: int = Field(50, ge=1, le=10_000, description="at most so many jobs")


class JobRecord(Result):
    """A job. config: its typed request as it was given. gpus: wanted (0: CPU only, None: one where there is one); devices: the
    indices of those it has. done, total, what: progress. usage: CPU percent (100 is one core) and resident memory in MB of all
    its processes. estimate: what was expected before it was launched. runs: the runs that it trained. waits: why it is still
    queued, or that nobody goes on with it, in words. log: a file in the workspace. Times are UTC.
    """

    job: str
    kind: str
    title: str
    dataset: str | None
    config: dict[str, Any]
    state: State
    cancel_requested: bool
    gpus: int | None
    devices: list[int]
    attempts: int
    max_attempts: int
    worker: str | None
    done: int
    total: int
    what: str
    usage: dict[str, float]
    estimate: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None
    waits: str | None
    runs: list[str]
    log: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def live(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ("queued", "running")

    @property
    def status(self) -> str:
        """The state in words, with what was asked for and why it waits."""
        if self.state == "running" and self.waits:
            return f"interrupted: {self.waits}"
        if self.state == "running":
            asked = "stopping at the next checkpoint" if self.cancel_requested else "running"
            return f"{asked}, attempt {self.attempts} of {self.max_attempts}" if self.attempts > 1 else asked
        return f"queued: {self.waits}" if self.waits else self.state

    def lines(self) -> list[str]:
        lines = [f"{self.job}  {self.status}  {self.title}"]
        if self.what:
            lines.append(f"  [{self.done:,}/{self.total:,}] {self.what}")
        if self.error:
            lines.append(f"  {self.error}")
        if self.runs:
            lines.append(f"  trained {', '.join(self.runs)}")
        return lines


class WorkerRecord(Record):
    """A worker that is alive. gpus: what it saw at its last heartbeat."""

    worker: str
    host: str
    pid: int
    executor: str
    slots: int
    gpus: list[Gpu]
    started_at: datetime
    heartbeat_at: datetime


class JobsResult(Result):
    """The newest jobs, newest first, and the workers that are alive."""

    jobs: list[JobRecord]
    workers: list[WorkerRecord]

    def lines(self) -> list[str]:
        return [
            *(line for job in self.jobs for line in job.lines()),
            *([] if self.jobs else ["There are no jobs."]),
            *(
                f"worker {worker.worker}: {worker.executor}, {worker.slots} at a time, "
                f"{', '.join(f'{gpu.name} with {gpu.free_mb:,} MB free' for gpu in worker.gpus) or 'no GPU'}"
                for worker in self.workers
            ),
            *([] if self.workers else ["No worker is alive."]),
        ]


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


JOBS = Verb("jobs", JobsCommandRequest, JobsResult, run="genair_engine.jobs.commands:jobs_command", role="write")
WORKER = Verb("worker", WorkerRequest, WorkerResult, run="genair_engine.jobs.commands:worker", role="admin")
