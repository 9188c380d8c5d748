"""What people do with jobs: submit, look, cancel, retry, read the log. What workers do with them is in `worker`."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from genair_engine.errors import InputError
from genair_engine.jobs import gpus as machine
from genair_engine.jobs.kinds import anywhere, check, job_kinds, kind_of, stored_request
from genair_engine.jobs.records import job_record, worker_record
from genair_engine.jobs.requests import JobRecord, JobsRequest, JobsResult
from genair_engine.store import jobs as rows
from genair_engine.store.keys import content_key, new_id
from genair_engine.store.tables import JobRow, WorkerRow
from genair_engine.verbs.base import Progress, silent
from genair_engine.workspace import Workspace

MAX_ATTEMPTS = 3
LEAST_FREE_MB = 1000
"""What a job needs of a GPU at least: CUDA itself takes half of it. So a full GPU gets none, even one without an estimate."""
LOG_BYTES = 1_000_000
"""At most so much of a log's end is read."""


def submit(
    workspace: Workspace,
    kind: str,
    request: BaseModel,
    *,
    estimate: dict[str, Any] | None = None,
    gpus: int | None = None,
) -> JobRecord:
    """Queues a verb's request; where an equal one is queued or running already, that one is returned.

    estimate: kept with the job; one made on a GPU says what one must have free. gpus: how many, where the request's device
    does not say it; None takes one where the worker has any. Raises InputError or NotFoundError where it cannot run.
    """
    verb, as_job = kind_of(kind)
    if not isinstance(request, verb.request):
        raise InputError(f"A job of kind {kind!r} takes a {verb.request.__name__}, not a {type(request).__name__}.")
    request = anywhere(request)
    check(workspace, as_job, request)
    wanted, certain = _gpus(getattr(request, "device", "cpu"), gpus)
    if wanted:
        _refuse_missing_gpus(workspace, wanted, certain)
    name = f"{kind}-{new_id()}"
    row = JobRow(
        id=name,
        kind=kind,
        title=as_job.title(request),
        dataset=getattr(request, "dataset", getattr(request, "name", None)),
        config=request.model_dump(mode="json", exclude_unset=True),
        key=content_key([kind, request.model_dump(mode="json")]),
        gpus=wanted,
        gpu=certain,
        min_free_mb=_min_free_mb(estimate or {}) if wanted != 0 else 0,
        max_attempts=MAX_ATTEMPTS,
        estimate=estimate,
        log=f"jobs/{name}.log",
    )
    _give_back_expired(workspace)
    with workspace.session() as session:
        added = rows.add(session, row)
        if added.cancel_requested:
            raise InputError(f"Job {added.id!r} does the same and is being stopped: resume it when it has.")
        return _records(session, [added])[0]


def jobs(workspace: Workspace, request: JobsRequest, progress: Progress = silent) -> JobsResult:  # noqa: ARG001
    """The newest jobs and all live workers: a handful of queries, whatever their number."""
    if unknown := set(request.kinds) - job_kinds().keys():
        kind_of(sorted(unknown)[0])
    with workspace.reading() as session:
        workers = rows.live_workers(session)
        newest = rows.newest(session, request.states, request.kinds, request.limit)
        return JobsResult(jobs=_records(session, newest, workers), workers=[worker_record(worker) for worker in workers])


def job(workspace: Workspace, name: str) -> JobRecord:
    """One job. Raises NotFoundError."""
    with workspace.reading() as session:
        return _records(session, [rows.find(session, name)])[0]


def cancel(workspace: Workspace, name: str) -> JobRecord:
    """Ends a queued job at once; a running one is asked to stop at its next checkpoint, and killed if it does not.

    Raises NotFoundError, and InputError for a job that is over.
    """
    expired = _give_back_expired(workspace)
    with workspace.session() as session:
        row = rows.find(session, name)
        if row.state not in rows.LIVE and name not in expired:
            raise InputError(f"Job {name!r} is {row.state}: there is nothing to cancel.")
        rows.cancel(session, name)
    return job(workspace, name)


def retry(workspace: Workspace, name: str) -> JobRecord:
    """Queues a failed or cancelled job again, for three more attempts; it goes on from its last checkpoint.

    Raises NotFoundError, and InputError where it is not over, or can no longer run.
    """
    _give_back_expired(workspace)
    with workspace.reading() as session:
        row = rows.find(session, name)
    if row.state in ("failed", "cancelled"):
        verb, as_job = kind_of(row.kind)
        check(workspace, as_job, stored_request(verb, row.config))
    try:
        with workspace.session() as session:
            state = rows.find(session, name).state
            if state == "done":
                raise InputError(f"Job {name!r} is done. To do the same again, launch a new one.")
            if not rows.queue_again(session, name, MAX_ATTEMPTS):
                raise InputError(f"Job {name!r} is {state} already.")
    except IntegrityError:
        raise InputError(f"Another job does what {name!r} did, and is queued or running: cancel that one first.") from None
    return job(workspace, name)


def log_tail(workspace: Workspace, name: str, lines: int = 200) -> str:
    """The last lines of a job's log; "" where it has written nothing yet. Raises NotFoundError."""
    with workspace.reading() as session:
        row = rows.find(session, name)
    here = (row.worker_id or "").rsplit("-", 2)[0] == socket.gethostname()  # then the file is being written: no copy over it
    path = workspace.path(row.log) if here else workspace.fetch(row.log, optional=True)
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _give_back_expired(workspace: Workspace) -> list[str]:
    """The jobs of dead workers, which nobody else may look for where no worker is alive."""
    with workspace.session() as session:
        return rows.give_back_expired(session)


def _records(session: Session, jobs: Sequence[JobRow], workers: Sequence[WorkerRow] | None = None) -> list[JobRecord]:
    runs = rows.runs_of(session, [row.id for row in jobs])
    alive = [worker_record(worker) for worker in (rows.live_workers(session) if workers is None else workers)]
    return [job_record(row, runs[row.id], alive) for row in jobs]


def _gpus(device: str, wanted: int | None) -> tuple[int | None, int | None]:
    """How many GPUs a device of a request means, and which one. "auto" is one where there is one. Raises InputError."""
    if device == "cpu":
        return 0, None
    if device == "auto":
        return wanted, None
    named = re.fullmatch(r"cuda(?::([0-9]+))?", device)
    if named is None:
        raise InputError(f"There is no kind of device {device!r} for a job: give auto, cpu, cuda or cuda:1.")
    return (wanted or 1), int(named[1]) if named[1] else None


def _min_free_mb(estimate: dict[str, Any]) -> int:
    """What a GPU must have free. An estimate made on the CPU says nothing of it."""
    on_gpu = str(estimate.get("device", "")).startswith("cuda")
    return max(LEAST_FREE_MB, int(estimate.get("memory_mb", 0)) if on_gpu else 0)


def _refuse_missing_gpus(workspace: Workspace, wanted: int, certain: int | None) -> None:
    """Raises InputError where no live worker, or this machine where none is alive, could ever run it."""
    with workspace.reading() as session:
        workers = [worker_record(worker) for worker in rows.live_workers(session)]
    if workspace.settings.ray_address or any(worker.executor == "ray" for worker in workers):
        return  # the cluster knows
    if not workers and workspace.settings.worker == "none":
        return  # the workers are on other machines
    machines = [worker.gpus for worker in workers] or [machine.probe()]
    if not any(len(gpus) >= wanted and (certain is None or certain in {gpu.index for gpu in gpus}) for gpus in machines):
        what = f"GPU {certain}" if certain is not None else f"{wanted} GPU{'s' * (wanted > 1)}"
        raise InputError(f"No worker has {what}: choose the device auto or cpu, or start a worker where there is one.")
