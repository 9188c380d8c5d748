"""Jobs and workers as pages and the terminal see them."""

from __future__ import annotations

from collections.abc import Sequence

from genair_engine.jobs.gpus import Gpu
from genair_engine.jobs.requests import JobRecord, WorkerRecord
from genair_engine.store.tables import JobRow, WorkerRow


def worker_record(row: WorkerRow) -> WorkerRecord:
    return WorkerRecord(
        worker=row.id,
        host=row.host,
        pid=row.pid,
        executor=row.executor,
        slots=row.slots,
        gpus=[Gpu(**device) for device in row.devices],
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
