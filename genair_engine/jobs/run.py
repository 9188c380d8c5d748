"""The process of one attempt at a job: `python -m genair_engine.jobs.run JOB ATTEMPT`, started by a worker's executor.

It runs the verb, tells the database how far it is, and writes the result or the error there itself. It stops at the next
progress report, which verbs make when what they did is safe (a checkpoint, a stored chunk), after SIGTERM or when the row says
that it should; and it kills its whole process group when its worker is gone, so that nothing of it outlives its lease.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import NoReturn

import psutil

from genair_engine.errors import GenairError, OutageError
from genair_engine.jobs.kinds import earlier_result, kind_of, stored_request
from genair_engine.settings import load_settings
from genair_engine.store import jobs as rows
from genair_engine.verbs.registry import call
from genair_engine.workspace import Workspace

FINISHED, FAILED, TRY_AGAIN, STOPPED, NOT_MINE = 0, 1, 75, 130, 64
"""Exit codes: done and failed as the row says; the database was away; stopped as asked; another attempt has the job."""
REPORT_SECONDS = 0.5
"""Least time between two reports of progress to the database."""
FINISH_SECONDS = 60.0
"""How long the end of a job waits for a database that is away."""
LIFELINE = "GENAIR_JOB_LIFELINE"
"""Environment variable: the pipe whose other end only the worker holds."""
WORKER = "GENAIR_JOB_WORKER"
"""Environment variable, where torchrun would close the pipe: the worker's process number."""

log = logging.getLogger("genair_engine.jobs.run")  # also where it is __main__


class Stopped(BaseException):
    """Raised in the verb at a progress report: the job was asked to stop. No Exception, so that no verb swallows it."""


def tell() -> None:
    """Logs what this package has to say, with the time; of others only warnings."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S", stream=sys.stderr)
    logging.getLogger("genair_engine.jobs").setLevel(logging.INFO)


def main(job: str, attempt: int) -> int:
    """Runs the attempt; returns the process's exit code."""
    tell()
    try:
        return Attempt(Workspace.open(load_settings()), job, attempt).run()
    except OutageError as error:  # the database may be back for the next attempt
        log.error("%s", error)
        return TRY_AGAIN


class Attempt:
    """One attempt at a job, in the process that makes it."""

    def __init__(self, workspace: Workspace, job: str, attempt: int) -> None:
        self.workspace, self.job, self.attempt = workspace, job, attempt
        self.workspace.job = job
        self.stopping = False
        self.launched = "TORCHELASTIC_RUN_ID" in os.environ  # by torchrun: one of several processes
        self.speaks = not self.launched or os.environ.get("RANK") == "0"
        self._reported = 0.0
        self._until = 0.0  # monotonic: when to end, where no worker is watched

    def run(self) -> int:
        asked = time.monotonic()
        with self.workspace.reading() as session:
            row = rows.find(session, self.job)
            left = rows.lease_left(session, self.job, self.attempt)
        if not left:
            log.error("Another attempt has this job.")
            return NOT_MINE
        self._until = asked + left
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        self._watch()
        try:
            verb, as_job = kind_of(row.kind)
            request = stored_request(verb, row.config)
            if row.gpu is not None:  # the only one that this process can see
                request = request.model_copy(update={"device": "cuda"})
            earlier = earlier_result(self.workspace, as_job, self.job) if self.attempt > 1 else None
            result = earlier or call(self.workspace, verb.name, request, self.progress)
        except Stopped:
            log.info("Stopped as asked; what was done is kept.")
            return STOPPED
        except OutageError:
            raise
        except GenairError as error:
            log.error("%s", error)
            return self._end("failed", error=str(error))
        except Exception as error:
            defect = f"A defect of GenAIR Studio: {type(error).__name__}: {error}"
            log.exception("%s", defect)
            if self.launched:  # or what another process's death looks like from here: the worker decides
                return FAILED
            return self._end("failed", error=f"{defect}. The log has more.")
        if self.speaks:
            log.info("%s", "\n".join(result.lines()))
        return self._end("done", result=result.model_dump(mode="json"))

    def progress(self, done: int, total: int, what: str) -> None:
        """The verb's progress: a line of the log, and at most every half second a write to the row."""
        if not self.speaks:
            return
        log.info("[%s/%s] %s", f"{done:,}", f"{total:,}", what)
        if self.stopping:
            raise Stopped
        now = time.monotonic()
        if now - self._reported < REPORT_SECONDS and done < total:
            return
        self._reported = now
        try:
            with self.workspace.session() as session:
                asked = rows.report(session, self.job, self.attempt, done, total, what)
        except OutageError as error:
            log.warning("Progress is not kept: %s", error)
            return
        if asked is None:
            log.error("This attempt has lost the job.")
        if asked or asked is None:
            self.stopping = True
            raise Stopped

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.stopping = True

    def _end(self, state: str, **values: object) -> int:
        """Writes how it ended, and waits for a database that is away; TRY_AGAIN where it does not come back.

        Of several processes the first one tells of success; any of them of a failure, as the others may wait for it for ever.
        """
        if state == "done" and not self.speaks:
            return FINISHED
        until = time.monotonic() + FINISH_SECONDS
        while True:
            try:
                with self.workspace.session() as session:
                    ended = rows.finish(session, self.job, self.attempt, state, **values)
                if not ended:
                    return NOT_MINE
                return FINISHED if state == "done" else FAILED
            except OutageError as error:
                log.warning("The end is not kept yet: %s", error)
                if time.monotonic() > until:
                    return TRY_AGAIN
                time.sleep(1)

    def _watch(self) -> None:
        """Ends this process group when what it depends on is gone.

        That is the worker, whose end of a pipe closes then. There is no pipe under torchrun, where the worker and the launcher
        are watched, nor on another machine; then the last quarter of the lease is left unused, so that nobody else has the
        job yet.
        """
        lifeline, worker = os.environ.pop(LIFELINE, None), os.environ.get(WORKER)
        if lifeline is not None:
            _end_after(lambda: os.read(int(lifeline), 1))  # returns when the last writer is gone
            return
        threading.Thread(target=self._follow_lease, daemon=True).start()
        _end_after(self._lease_ends)
        if worker is not None:
            for number in (int(worker), os.getppid()):
                _end_after(partial(_ends, number))

    def _follow_lease(self) -> None:
        """Learns from the database, for ever, until when this attempt has the job. It may hang in a silent connection."""
        lease = self.workspace.settings.lease_seconds
        while True:
            time.sleep(lease / 10)
            asked = time.monotonic()
            with suppress(OutageError), self.workspace.reading() as session:
                self._until = asked + rows.lease_left(session, self.job, self.attempt) - lease / 4

    def _lease_ends(self) -> None:
        """Returns when the lease that the database last told of has nearly ended. Asks nobody, so that nothing delays it."""
        while (left := self._until - time.monotonic()) > 0:
            time.sleep(min(left, self.workspace.settings.lease_seconds / 10))


def _ends(number: int) -> None:
    """Returns when the process of that number has ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.2)


def _end_after(event: Callable[[], object]) -> None:
    """Ends this process group when the call returns, which a thread makes."""

    def follow() -> None:
        event()
        log.error("The worker is gone, or has lost the job.")
        _end_group()

    threading.Thread(target=follow, daemon=True).start()


def _end_group() -> NoReturn:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
