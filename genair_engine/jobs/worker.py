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
from pathlib import Path
from types import FrameType

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from genair_engine.errors import GenairError, OutageError, WorkspaceError
from genair_engine.jobs import gpus
from genair_engine.jobs.executors import Claimed, Executor, Handle
from genair_engine.jobs.run import STOPPED
from genair_engine.store import jobs as rows
from genair_engine.store.keys import new_id
from genair_engine.store.tables import JobRow, WorkerRow, utc_now
from genair_engine.workspace import Workspace

POLL_SECONDS = 0.25
BEATS_A_LEASE = 6
FENCE = 0.75
"""Share of a lease after which a worker that cannot extend it ends its processes."""

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
        self.gpus = gpus.probe()
        self.slots = slots or max(1, len(self.gpus))
        self.lease = timedelta(seconds=workspace.settings.lease_seconds)
        self.held: dict[str, Held] = {}
        self.leaving = False
        self.finished = 0
        self._started = utc_now()
        self._extended = self._busy = time.monotonic()
        self._next_beat = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        """Works until it leaves; what it still runs then is asked to stop at a checkpoint and queued again."""
        signal.signal(signal.SIGTERM, self._ask_to_leave)
        signal.signal(signal.SIGINT, self._ask_to_leave)
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
            while len(self.held) < self.slots and not self.leaving and self._claim():
                pass
        except OutageError as error:
            log.warning("%s Waiting for it.", error)
            time.sleep(min(1.0, self.lease.total_seconds() / BEATS_A_LEASE))

    def beat(self) -> None:
        """Says that it is alive, extends its leases, and gives back what dead workers hold."""
        self.gpus = gpus.probe() if self.gpus else []
        held = {job: (one.claimed.attempt, one.handle.usage()) for job, one in self.held.items()}
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
            found = rows.give_back_expired(session, mine)
        for job in found:
            log.warning("%s: its worker is gone.", job)
        for one in self.held.values():
            self._publish(one.claimed)

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

    def _claim(self) -> bool:
        with self.workspace.reading() as session:  # without the write lock, which others need
            if session.scalars(select(JobRow.id).where(JobRow.state == "queued").limit(1)).first() is None:
                return False
        with self.workspace.session() as session:
            row = rows.claim(session, self.id, self.lease, self._offer(session))
        if row is None:
            return False
        claimed = Claimed(row.id, row.attempts, row.kind, row.gpus, row.devices, row.log, self.workspace.path(row.log))
        log.info("%s: attempt %d, %s", row.id, row.attempts, row.title)
        try:
            self.held[row.id] = Held(claimed, self.executor.start(claimed))
        except (GenairError, OSError) as error:
            self._settle(claimed, f"It could not be started: {error}")
        return True

    def _offer(self, session: Session) -> rows.Offer:
        if self.executor.name == "ray":
            return rows.Offer({}, has_gpus=True, managed_elsewhere=True)
        if not self.gpus:
            return rows.Offer({}, has_gpus=False)
        taken = rows.devices_in_use(session, socket.gethostname())
        free = {gpu.index: gpu.free_mb for gpu in gpus.probe() if gpu.index not in taken}
        return rows.Offer(free, has_gpus=True)

    def _settle_ended(self) -> None:
        for job, one in list(self.held.items()):
            code = one.handle.poll()
            if code is None:
                continue
            said = _last_line(one.claimed.log)
            reason = f"The job's process {_ending(code)} in attempt {one.claimed.attempt}. Its log ends with: {said}"
            self._settle(one.claimed, reason, counted=code != STOPPED and not self.leaving)
            del self.held[job]
            self.finished += 1
            self._busy = time.monotonic()

    def _settle(self, claimed: Claimed, reason: str, *, counted: bool = True) -> None:
        """Gives a job back whose process is gone; one that has said itself how it ended stays as it is."""
        self._publish(claimed)
        with self.workspace.session() as session:
            state = rows.give_back(session, claimed.job, claimed.attempt, reason, counted=counted)
        if state is not None:
            log.info("%s: %s. %s", claimed.job, state, reason)

    def _publish(self, claimed: Claimed) -> None:
        """Lets other machines read the log, where the workspace is one that they share by copies."""
        if claimed.log.exists():
            with suppress(WorkspaceError):  # only a log, and there will be a next time
                self.workspace.publish(claimed.log_name)

    def _pass_on_cancellations(self) -> None:
        if not self.held:
            return
        with self.workspace.reading() as session:
            asked = select(JobRow.id).where(JobRow.id.in_(self.held), JobRow.cancel_requested)
            cancelled = session.scalars(asked).all()
        now = time.monotonic()
        for job in cancelled:
            one = self.held[job]
            if one.cancelled_at is None:
                one.cancelled_at = now
                one.handle.terminate()
            elif now - one.cancelled_at > self.workspace.settings.cancel_seconds:
                one.handle.kill()

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
        for one in self.held.values():
            one.handle.terminate()
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
        for one in list(self.held.values()):
            one.handle.kill()

    def _ask_to_leave(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.leaving = True


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by signal {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _last_line(log: Path) -> str:
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:500]
    return "(nothing)"
