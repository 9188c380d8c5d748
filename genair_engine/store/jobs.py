"""Jobs and workers in the database: who may run what, and who still does. Functions leave the transaction to the caller.

A job is claimed by one statement under a lock (SQLite's write lock, PostgreSQL's row lock with SKIP LOCKED), and from then on
every write to it names its attempt: a process whose job was given to somebody else changes nothing any more. Leases are
compared by one clock, the database's, so that machines whose clocks differ agree on who is dead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    and_,
    case,
    column,
    delete,
    false,
    func,
    insert,
    inspect,
    or_,
    select,
    table,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from genair_engine.errors import NotFoundError
from genair_engine.store.tables import JobRow, RunRow, WorkerRow, utc_now

LIVE = ("queued", "running")


@dataclass(frozen=True)
class Offer:
    """The GPUs that a worker can give away now: index → free memory in MB. has_gpus: whether it has any, busy or not.

    managed_elsewhere: a cluster finds the GPUs itself, so that any job may be taken.
    """

    free_mb: Mapping[int, int]
    has_gpus: bool
    managed_elsewhere: bool = False

    def takes(self) -> ColumnElement[bool]:
        """The condition on a job that these GPUs are enough for it."""
        if self.managed_elsewhere:
            return true()
        largest = sorted(self.free_mb.values(), reverse=True)
        enough = [and_(JobRow.gpus == count, JobRow.min_free_mb <= free) for count, free in enumerate(largest, start=1)]
        certain = [and_(JobRow.gpu == index, JobRow.min_free_mb <= free) for index, free in self.free_mb.items()]
        automatic = (JobRow.min_free_mb <= largest[0] if largest else false()) if self.has_gpus else true()
        return or_(
            JobRow.gpus == 0,
            and_(JobRow.gpus.is_(None), automatic),
            and_(JobRow.gpu.is_(None), or_(*enough, false())),
            or_(*certain, false()),
        )

    def devices(self, job: JobRow) -> list[int]:
        """Which of them a job gets: the one it names, or those with the most free memory."""
        if self.managed_elsewhere or job.gpus == 0:
            return []
        if job.gpu is not None:
            return [job.gpu]
        fitting = sorted(self.free_mb, key=lambda index: -self.free_mb[index])
        return fitting[: 1 if job.gpus is None else job.gpus]


def clock(session: Session) -> datetime:
    """Now, by the clock that all workers of this database share."""
    if session.get_bind().dialect.name == "postgresql":
        return session.execute(select(func.clock_timestamp())).scalar_one()
    return utc_now()


def add(session: Session, row: JobRow) -> JobRow:
    """Queues a job, or returns the one that is queued or running with the same key."""
    live = select(JobRow).where(JobRow.key == row.key, JobRow.state.in_(LIVE))
    while (queued := session.scalars(live).first()) is None:
        try:
            with session.begin_nested():
                session.add(row)
            return row
        except IntegrityError:  # another process was faster: its row is there now, unless that job has ended already
            continue
    return queued


def find(session: Session, name: str) -> JobRow:
    """The job of that id. Raises NotFoundError with the newest ones."""
    row = session.get(JobRow, name)
    if row is None:
        known = session.scalars(select(JobRow.id).order_by(JobRow.created_at.desc()).limit(50)).all()
        raise NotFoundError("job", name, known)
    return row


def newest(session: Session, states: Collection[str], kinds: Collection[str], limit: int) -> Sequence[JobRow]:
    """Jobs, newest first; of all states or kinds where none is named."""
    query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id).limit(limit)
    if states:
        query = query.where(JobRow.state.in_(states))
    if kinds:
        query = query.where(JobRow.kind.in_(kinds))
    return session.scalars(query).all()


def live_of_dataset(session: Session, dataset: str) -> Sequence[str]:
    """The jobs that are queued or running for a data set of that name."""
    return session.scalars(select(JobRow.id).where(JobRow.dataset == dataset, JobRow.state.in_(LIVE))).all()


def runs_of(session: Session, jobs: Collection[str]) -> dict[str, list[str]]:
    """The runs that jobs trained, oldest first."""
    runs: dict[str, list[str]] = {job: [] for job in jobs}
    query = select(RunRow.job_id, RunRow.id).where(RunRow.job_id.in_(jobs)).order_by(RunRow.created_at, RunRow.id)
    for job, run in session.execute(query):
        runs[str(job)].append(run)
    return runs


def claim(session: Session, worker: str, lease: timedelta, offer: Offer) -> JobRow | None:
    """The oldest queued job that the worker can run, now his until the lease ends; None when there is none."""
    row = session.scalars(
        select(JobRow)
        .where(JobRow.state == "queued", offer.takes())
        .order_by(JobRow.created_at, JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    now = clock(session)
    row.state, row.worker_id, row.lease_until = "running", worker, now + lease
    row.attempts += 1
    row.started_at = row.started_at or now
    row.devices, row.usage = offer.devices(row), {}
    return row


def extend(session: Session, worker: str, lease: timedelta, held: Mapping[str, tuple[int, dict[str, float]]]) -> set[str]:
    """Extends the leases of the jobs that a worker holds (id → attempt and usage); returns those that are still his."""
    until = clock(session) + lease
    return {
        job
        for job, (attempt, usage) in held.items()
        if _changed(session, _mine(job, attempt).where(JobRow.worker_id == worker).values(lease_until=until, usage=usage))
    }


def report(session: Session, job: str, attempt: int, done: int, total: int, what: str) -> bool | None:
    """Keeps a job's progress. Returns whether it is asked to stop; None where the job is no longer this attempt's."""
    values = {"done": done, "total": total, "what": what}
    return session.execute(_mine(job, attempt).values(values).returning(JobRow.cancel_requested)).scalar_one_or_none()


def lease_left(session: Session, job: str, attempt: int) -> float:
    """Seconds until this attempt's lease ends; 0 where it has ended, or another attempt has the job."""
    query = select(JobRow.lease_until).where(JobRow.id == job, JobRow.attempts == attempt, JobRow.state == "running")
    until = session.execute(query).scalar_one_or_none()
    return max(0.0, (until - clock(session)).total_seconds()) if until else 0.0


def finish(session: Session, job: str, attempt: int, state: str, **values: Any) -> bool:
    """Ends an attempt: state done, failed or cancelled, with result or error. False where it was not this attempt's."""
    ended = {"state": state, "finished_at": clock(session), "lease_until": None, "usage": {}}
    if not _changed(session, _mine(job, attempt).values(ended | values)):
        return False
    _stop_runs(session, job)
    return True


def give_back(session: Session, job: str, attempt: int, reason: str, *, counted: bool = True) -> str | None:
    """After an attempt has died: queued again, or cancelled if that was asked, or failed if it was the last one.

    counted: False if nothing was wrong with the job (its worker leaves). Returns the new state; None where another attempt
    has the job.
    """
    last = JobRow.attempts >= JobRow.max_attempts if counted else false()
    state = case((JobRow.cancel_requested, "cancelled"), (last, "failed"), else_="queued")
    ended = or_(JobRow.cancel_requested, last)
    new_state = session.execute(
        _mine(job, attempt)
        .values(
            state=state,
            error=case((and_(last, JobRow.cancel_requested.is_(False)), reason), else_=None),
            finished_at=case((ended, clock(session)), else_=None),
            max_attempts=JobRow.max_attempts if counted else JobRow.max_attempts + 1,
            worker_id=None,
            lease_until=None,
            usage={},
        )
        .returning(JobRow.state)
    ).scalar_one_or_none()
    if new_state is not None:
        _stop_runs(session, job)
    return new_state


def say_alive(session: Session, worker: WorkerRow) -> None:
    """Writes a worker's row, whether it is new, known, or was taken away while the worker was silent."""
    mapper = inspect(WorkerRow)
    values = {column.key: getattr(worker, column.key) for column in mapper.column_attrs}
    if not _changed(session, update(WorkerRow).where(WorkerRow.id == worker.id).values(values)):
        session.execute(insert(WorkerRow).values(values))


def devices_in_use(session: Session, host: str) -> set[int]:
    """The GPUs that running jobs have on a machine, whichever of its workers gave them; no other worker of it asks before
    the transaction ends, or two could give the same one."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(host))))
    query = select(JobRow.devices).join(WorkerRow, WorkerRow.id == JobRow.worker_id)
    given = session.scalars(query.where(JobRow.state == "running", WorkerRow.host == host)).all()
    return {device for devices in given for device in devices}


def give_back_expired(session: Session, held: Collection[str] = ()) -> list[str]:
    """Gives back the jobs whose workers have been silent for longer than their lease, and forgets such workers.

    held: jobs that the caller itself runs, which it does not take for dead however late it is.
    Workers come before jobs: one that waits for another worker's row must hold no job that the other needs.
    """
    now = clock(session)
    silent = session.scalars(select(WorkerRow.id).where(WorkerRow.lease_until < now)).all()
    late = select(JobRow.id, JobRow.attempts, JobRow.worker_id)
    late = late.where(JobRow.state == "running", JobRow.lease_until < now, JobRow.id.not_in(held))
    lost = session.execute(late).all()
    if not silent and not lost:
        return []
    _end_sessions(session, [session_name(worker) for worker in silent])
    _end_sessions(session, [session_name(job, attempt) for job, attempt, _ in lost])
    session.execute(delete(WorkerRow).where(WorkerRow.lease_until < now))
    expired = session.execute(late.with_for_update(skip_locked=True)).all()
    for job, attempt, worker in expired:
        give_back(session, job, attempt, f"Worker {worker} died or lost the database in attempt {attempt}.")
    return [job for job, _, _ in expired]


def session_name(*parts: object) -> str:
    """What a worker (its id) or a job's process (job and attempt) calls its sessions at a PostgreSQL server (PGAPPNAME)."""
    return f"genair {' '.join(map(str, parts))[-50:]}"  # the server keeps 63 bytes; the ends of our ids tell them apart


def _end_sessions(session: Session, names: Collection[str]) -> None:
    """Ends what processes that are taken for dead have open at a PostgreSQL server.

    One that was cut off or frozen within a transaction would keep its locks, and everybody would wait for them.
    """
    if names and session.get_bind().dialect.name == "postgresql":
        activity = table("pg_stat_activity", column("pid"), column("application_name"), column("usename"), column("datname"))
        ours = (activity.c.usename == func.current_user(), activity.c.datname == func.current_database())
        ending = select(func.pg_terminate_backend(activity.c.pid)).select_from(activity)
        session.execute(ending.where(activity.c.application_name.in_(names), *ours))


def cancel(session: Session, job: str) -> None:
    """Ends a queued job, asks a running one to stop; a job that is over stays as it is."""
    waiting = JobRow.state == "queued"
    session.execute(  # one statement: between two, the job could pass from one state to the other
        update(JobRow)
        .where(JobRow.id == job, JobRow.state.in_(LIVE))
        .values(
            state=case((waiting, "cancelled"), else_=JobRow.state),
            finished_at=case((waiting, clock(session)), else_=JobRow.finished_at),
            cancel_requested=case((waiting, JobRow.cancel_requested), else_=true()),
        )
    )


def queue_again(session: Session, job: str, attempts: int) -> bool:
    """Queues a job that is over, for so many more attempts. False where it is not over. Raises IntegrityError where an equal
    one is queued or running."""
    over = update(JobRow).where(JobRow.id == job, JobRow.state.not_in(LIVE))
    return _changed(
        session,
        over.values(
            state="queued",
            cancel_requested=False,
            max_attempts=JobRow.attempts + attempts,
            worker_id=None,
            error=None,
            result=None,
            started_at=None,
            finished_at=None,
        ),
    )


def live_workers(session: Session) -> Sequence[WorkerRow]:
    """The workers whose lease has not ended."""
    return session.scalars(
        select(WorkerRow).where(WorkerRow.lease_until >= clock(session)).order_by(WorkerRow.started_at, WorkerRow.id)
    ).all()


def _mine(job: str, attempt: int) -> Any:
    return (
        update(JobRow)
        .where(JobRow.id == job, JobRow.attempts == attempt, JobRow.state == "running")
        .execution_options(synchronize_session=False)
    )


def _changed(session: Session, statement: Any) -> bool:
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


def _stop_runs(session: Session, job: str) -> None:
    """Runs that the job's process was training when it died wait to be taken up again."""
    session.execute(update(RunRow).where(RunRow.job_id == job, RunRow.state == "training").values(state="stopped"))
