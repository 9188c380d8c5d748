"""The worker: claims jobs, gives each a process through an executor, keeps their leases, and settles what became of them.

Several may share a database, on one machine or many; a job is claimed by one of them. A worker that dies takes its processes
with it and is found by its lease; one that loses the database ends its processes before its leases end, so that no two
processes ever do the same job. A job whose process dies is queued again, until its attempts are used up.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from genair_engine.errors import GenairError, OutageError
from genair_engine.jobs import gpus, logs
from genair_engine.jobs.executors import Claimed, Executor, Handle
from genair_engine.jobs.run import STOPPED, TRY_AGAIN
from genair_engine.store import jobs as rows
from genair_engine.store.keys import new_id
from genair_engine.store.tables import JobRow, WorkerRow, utc_now
from genair_engine.workspace import Workspace

POLL_SECONDS = 0.25
BEATS_A_LEASE = 6
FENCE = 0.75
"""Share of a lease after which a worker that cannot extend it ends its processes."""
PAUSES = (2.0, 30.0)
"""Where something is away that jobs need, none is claimed for a while: the first and the longest such time [s]."""
GPU_SECONDS = 2.0
"""Least time between two questions to the driver."""
COPYING_SECONDS = 5.0
"""How long a worker that leaves waits for the copies of its logs."""

log = logging.getLogger(__name__)


@dataclass
class Held:
    """A job that this worker runs. cancelled_at: when it was asked to stop (monotonic)."""

    claimed: Claimed
    handle: Handle
    cancelled_at: float | None = None


class Worker:
    """Runs jobs until it is told to leave, or has been idle for `idle_seconds`.

    slots: jobs at a time; 0 is one for each GPU, at least one.
    """

    def __init__(self, workspace: Workspace, executor: Executor, slots: int = 0, idle_seconds: float | None = None) -> None:
        self.workspace, self.executor, self.idle_seconds = workspace, executor, idle_seconds
        self.id = f"{socket.gethostname()}-{os.getpid()}-{new_id()[:4]}"
        self.gpus: list[gpus.Gpu] = []
        self._slots, self._looked = slots, float("-inf")
        self._look()
        self.logs = logs.Logs(workspace)
        self.lease = timedelta(seconds=workspace.settings.lease_seconds)
        self.held: dict[str, Held] = {}
        self.leaving = False
        self.finished = 0
        self._started = utc_now()
        self._extended = self._busy = time.monotonic()
        self._next_beat = self._next_claim = self._pause = 0.0
        self._over = threading.Event()

    @property
    def slots(self) -> int:
        """Jobs at a time."""
        return self._slots or max(1, len(self.gpus))

    def run(self) -> None:
        """Works until it leaves; what it still runs then is asked to stop at a checkpoint and queued again."""
        signal.signal(signal.SIGTERM, self._ask_to_leave)
        signal.signal(signal.SIGINT, self._ask_to_leave)
        os.environ["PGAPPNAME"] = rows.session_name(self.id)
        self.workspace.engine.dispose()  # connections from now on have the name
        threading.Thread(target=self._fence, daemon=True, name="fence").start()
        log.info("Worker %s: %d at a time, %d GPUs.", self.id, self.slots, len(self.gpus))
        try:
            while not self.leaving:
                self.tick()
                if self._idle() and self._deregister():
                    break
                time.sleep(POLL_SECONDS)
        finally:
            self._leave()
            self._over.set()

    def tick(self) -> None:
        """One round: heartbeat when it is due, what has ended, what is cancelled, what is new."""
        try:
            if time.monotonic() >= self._next_beat:
                self.beat()
            self._settle_ended()
            self._pass_on_cancellations()
            while self._has_room() and self._claim():
                pass
        except OutageError as error:
            log.warning("%s Waiting for it.", error)
            time.sleep(min(1.0, self.lease.total_seconds() / BEATS_A_LEASE))

    def beat(self) -> None:
        """Says that it is alive, extends its leases, and gives back what dead workers hold."""
        self._look()
        held = {job: (running.claimed.attempt, running.handle.usage()) for job, running in self.held.items()}
        began = time.monotonic()
        with self.workspace.session() as session:
            now = rows.clock(session)
            rows.say_alive(session, self._row(now + self.lease, now))
            mine = rows.extend(session, self.id, self.lease, held)
        self._extended = began
        self._next_beat = began + self.lease.total_seconds() / BEATS_A_LEASE
        for job in set(held) - mine:  # ended by itself a moment ago, or lost: then nothing may go on with it
            self.held[job].handle.kill()
        with self.workspace.session() as session:
            expired = rows.give_back_expired(session, mine)
        for job in expired:
            log.warning("%s: its worker is gone.", job)
        for running in self.held.values():
            self.logs.publish(running.claimed.log_name)

    def _look(self) -> None:
        """What the driver says of the GPUs; what it said before, where it has just been asked or says nothing."""
        if time.monotonic() - self._looked < GPU_SECONDS:
            return
        seen = gpus.ask()
        self.gpus = self.gpus if seen is None else seen
        self._looked = time.monotonic()

    def _row(self, lease_until: object, now: object) -> WorkerRow:
        return WorkerRow(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            executor=self.executor.name,
            slots=self.slots,
            devices=[gpu.model_dump() for gpu in self.gpus],
            started_at=self._started,
            heartbeat_at=now,
            lease_until=lease_until,
        )

    def _has_room(self) -> bool:
        """Whether it may claim one more job now: leases come first."""
        now = time.monotonic()
        return len(self.held) < self.slots and not self.leaving and self._next_claim <= now < self._next_beat

    def _claim(self) -> bool:
        """Claims a job and starts it, where there is one that fits; whether to look for another at once."""
        with self.workspace.reading() as session:  # without the write lock, which others need
            if session.scalars(select(JobRow.id).where(JobRow.state == "queued").limit(1)).first() is None:
                return False
        self._look()  # before the transaction, for the same reason
        with self.workspace.session() as session:
            row = rows.claim(session, self.id, self.lease, self._offer(session))
        if row is None:
            return False
        claimed = Claimed(row.id, row.attempts, row.kind, row.gpus, row.devices, row.log, self.workspace.path(row.log))
        log.info("%s: attempt %d, %s", row.id, row.attempts, row.title)
        try:
            self.logs.fetch(row.log, row.attempts, self.lease.total_seconds() / BEATS_A_LEASE)
            self.held[row.id] = Held(claimed, self.executor.start(claimed))
        except (OutageError, OSError) as error:  # another job would fare no better
            self._claim_later()
            self._settle(claimed, f"It could not be started: {error}", counted=False)
        except GenairError as error:
            self._settle(claimed, f"It could not be started: {error}")
        except Exception as error:
            log.exception("%s could not be started", row.id)
            self._settle(claimed, f"It could not be started: {type(error).__name__}: {error}")
        return True

    def _claim_later(self) -> None:
        """Claims nothing for a while, the longer the more often this has happened since a job ended as it should."""
        first, longest = PAUSES
        self._pause = min(longest, 2 * self._pause) or first
        self._next_claim = time.monotonic() + self._pause

    def _offer(self, session: Session) -> rows.Offer:
        if self.executor.name == "ray":
            return rows.Offer({}, has_gpus=True, managed_elsewhere=True)
        if not self.gpus:
            return rows.Offer({}, has_gpus=False)
        taken = rows.devices_in_use(session, socket.gethostname())
        return rows.Offer({gpu.index: gpu.free_mb for gpu in self.gpus if gpu.index not in taken}, has_gpus=True)

    def _settle_ended(self) -> None:
        for job, running in list(self.held.items()):
            try:
                code = running.handle.poll()
                if code is None:
                    continue
                self._settle_one(running.claimed, code)
            except OutageError:
                raise
            except Exception:  # other jobs are none the worse; this one is given back when its lease ends
                log.exception("%s cannot be settled", job)
                with suppress(Exception):
                    running.handle.kill()
            del self.held[job]
            self.finished += 1
            self._busy = time.monotonic()

    def _settle_one(self, claimed: Claimed, code: int) -> None:
        last_line = logs.last_line(claimed.log)
        reason = f"The job's process {_ending(code)} in attempt {claimed.attempt}. Its log ends with: {last_line}"
        self._settle(claimed, reason, counted=code not in (STOPPED, TRY_AGAIN) and not self.leaving)
        if code == TRY_AGAIN:
            self._claim_later()
        elif code != STOPPED:
            self._pause = 0.0

    def _settle(self, claimed: Claimed, reason: str, *, counted: bool = True) -> None:
        """Gives a job back whose process is gone; one that has said itself how it ended stays as it is."""
        reason = logs.plain(reason)
        with self.workspace.session() as session:
            state = rows.give_back(session, claimed.job, claimed.attempt, reason, counted=counted)
        if state is not None:
            log.info("%s: %s. %s", claimed.job, state, reason)
            logs.add(claimed.log, f"--- {state}: {reason}")
        self.logs.publish(claimed.log_name)

    def _pass_on_cancellations(self) -> None:
        if not self.held:
            return
        with self.workspace.reading() as session:
            asked = select(JobRow.id).where(JobRow.id.in_(self.held), JobRow.cancel_requested)
            cancelled = session.scalars(asked).all()
        now = time.monotonic()
        for job in cancelled:
            running = self.held[job]
            try:
                if running.cancelled_at is None:
                    running.cancelled_at = now
                    running.handle.terminate()
                elif now - running.cancelled_at > self.workspace.settings.cancel_seconds:
                    running.handle.kill()
            except Exception:
                log.exception("%s cannot be stopped", job)

    def _idle(self) -> bool:
        if self.held:
            self._busy = time.monotonic()
        return self.idle_seconds is not None and time.monotonic() - self._busy > self.idle_seconds

    def _deregister(self) -> bool:
        """Takes its row away and then looks once more: whoever submits a job looks for live workers after that."""
        try:
            with self.workspace.session() as session:
                session.execute(delete(WorkerRow).where(WorkerRow.id == self.id))
            with self.workspace.reading() as session:
                if session.scalars(select(JobRow.id).where(JobRow.state == "queued").limit(1)).first() is None:
                    return True
        except OutageError:
            return True  # nothing to do, and nobody to tell
        self._busy, self._next_beat = time.monotonic(), 0.0
        return False

    def _leave(self) -> None:
        self.leaving = True
        for running in self.held.values():
            running.handle.terminate()
        until = time.monotonic() + self.workspace.settings.cancel_seconds
        while self.held:
            late = time.monotonic() - until
            if late > 0:
                self._kill_all()
            try:
                if time.monotonic() >= self._next_beat:
                    self.beat()
                self._settle_ended()
            except OutageError:
                if late > self.lease.total_seconds():
                    break  # the processes are gone, and whoever finds their leases ended goes on with the jobs
            time.sleep(POLL_SECONDS / 5)
        self.logs.close(COPYING_SECONDS)
        self._deregister()
        log.info("Worker %s has left.", self.id)

    def _fence(self) -> None:
        """Ends all processes in time before their leases do, where these could not be extended.

        In a thread of its own: the loop may hang in a connection that says nothing.
        """
        while not self._over.wait(self.lease.total_seconds() / 50):
            if self.held and time.monotonic() - self._extended > self.lease.total_seconds() * FENCE:
                self._kill_all()

    def _kill_all(self) -> None:
        for running in list(self.held.values()):
            running.handle.kill()

    def _ask_to_leave(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.leaving = True


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by signal {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
