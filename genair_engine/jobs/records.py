"""Jobs and workers as pages and the terminal see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from genair_engine.jobs.gpus import Gpu
from genair_engine.store.tables import JobRow, WorkerRow
from genair_engine.verbs.base import Record, Request, Result

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
            *(line for one in self.jobs for line in one.lines()),
            *([] if self.jobs else ["There are no jobs."]),
            *(
                f"worker {one.worker}: {one.executor}, {one.slots} at a time, "
                f"{', '.join(f'{gpu.name} with {gpu.free_mb:,} MB free' for gpu in one.gpus) or 'no GPU'}"
                for one in self.workers
            ),
            *([] if self.workers else ["No worker is alive."]),
        ]


def worker_record(row: WorkerRow) -> WorkerRecord:
    return WorkerRecord(
        worker=row.id,
        host=row.host,
        pid=row.pid,
        executor=row.executor,
        slots=row.slots,
        gpus=[Gpu(**one) for one in row.devices],
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
    )


def job_record(row: JobRow, runs: Sequence[str], workers: Sequence[WorkerRecord]) -> JobRecord:
    return JobRecord(
        job=row.id,
        kind=row.kind,
        title=row.title,
        dataset=row.dataset,
        config=row.config,
        state=row.state,
        cancel_requested=row.cancel_requested,
        gpus=row.gpus,
        devices=row.devices,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        worker=row.worker_id,
        done=row.done,
        total=row.total,
        what=row.what,
        usage=row.usage,
        estimate=row.estimate,
        result=row.result,
        error=row.error,
        waits=_waits(row, workers),
        runs=list(runs),
        log=row.log,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _waits(row: JobRow, workers: Sequence[WorkerRecord]) -> str | None:
    """Why a live job does not run: no worker, no GPU that is free or large enough, or others before it."""
    if row.state == "running" and row.worker_id not in {worker.worker for worker in workers}:
        return "its worker is gone, the next one goes on with it"
    if row.state != "queued":
        return None
    if not workers:
        return "no worker is alive"
    if row.gpus == 0 or any(worker.executor == "ray" for worker in workers):
        return "other jobs come first"
    gpus = [(worker.host, gpu) for worker in workers for gpu in worker.gpus]
    if not gpus:
        return "no worker has a GPU" if row.gpus else "other jobs come first"
    wanted = f"GPU {row.gpu}" if row.gpu is not None else f"{row.gpus or 1} GPU{'s' * ((row.gpus or 1) > 1)}"
    seen = ", ".join(f"{host} GPU {gpu.index} has {gpu.free_mb:,} MB" for host, gpu in gpus)
    return f"needs {wanted} with {row.min_free_mb:,} MB free ({seen}), or other jobs come first"
