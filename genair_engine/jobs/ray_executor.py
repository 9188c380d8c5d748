"""Jobs on a Ray cluster: a job's process is submitted to Ray Jobs with its GPUs, followed by its status, its log copied here.

A generation or a sweep only directs tasks that ask for GPUs themselves: its process takes none. All machines need what
`genair_engine.cluster` says. The process watches its lease in the database, so it ends when this worker is gone for good.
"""

from __future__ import annotations

import dataclasses
import logging
import shlex
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from genair_engine.cluster import importable, reachable, shared, variables
from genair_engine.errors import OutageError
from genair_engine.jobs.executors import Claimed
from genair_engine.jobs.run import STOPPED
from genair_engine.settings import REPOSITORY, Settings

log = logging.getLogger(__name__)

DIRECTING = ("generate", "sweep")
"""Kinds whose process spreads its work over the cluster."""
POLL_SECONDS = 1.0
STOP_SECONDS = 10.0
"""How often Ray is told to stop a job that was asked to."""
LOG_SECONDS = 5.0
LOG_SHARE = 0.05
"""Share of the time that copying a log may take: Ray sends all of it, so that a long one is copied less often."""
REQUEST_SECONDS = 30.0
"""How long the cluster's head may take for an answer."""
GIVEN_UP_SECONDS = 120.0
"""How long a cluster may be silent before a job on it is taken for dead."""


class RayExecutor:
    """Processes on the cluster of GENAIR_RAY_ADDRESS.

    Raises InputError where Ray is not installed or the database cannot be shared, OutageError where no cluster answers.
    """

    name = "ray"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        shared(settings)
        submission = importable("ray.job_submission")
        address = str(settings.ray_address)
        reachable(address)
        try:
            self._client = _client(submission, address)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise OutageError(f"Ray Jobs cannot be reached at {address}: {_first_line(error)}") from error

    def start(self, job: Claimed) -> RayHandle:
        """Begins to submit it; the handle tells what becomes of that."""
        return RayHandle(self._client, job, lambda: self._submit(job))

    def _submit(self, job: Claimed) -> None:
        """Raises OutageError or OSError where the cluster is away, RuntimeError where it does not take the job."""
        for attempt in range(1, job.attempt):  # a worker that died may have left one behind
            with suppress(RuntimeError):
                self._client.stop_job(_name(job.job, attempt))
        gpus = self._gpus(job)
        stopping = {"RAY_JOB_STOP_WAIT_TIME_S": str(max(1, int(self.settings.cancel_seconds)))}
        environment = variables(self.settings) | job.environment | stopping
        if job.kind in DIRECTING and job.gpus is not None:
            environment["GENAIR_RAY_GPUS"] = str(job.gpus)
        elif job.kind not in DIRECTING and not gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        command = dataclasses.replace(job, devices=list(range(gpus))).command
        try:
            self._client.submit_job(
                entrypoint=f"cd {shlex.quote(str(REPOSITORY))} && exec {shlex.join(command)}",
                submission_id=_name(job.job, job.attempt),
                runtime_env={"env_vars": environment},
                entrypoint_num_gpus=gpus,
                entrypoint_num_cpus=0 if job.kind in DIRECTING else self.settings.threads or 1,
                metadata={"job": job.job, "kind": job.kind},
            )
        except RuntimeError as error:
            if "already exists" not in str(error):  # by a request whose answer was lost
                raise

    def _gpus(self, job: Claimed) -> int:
        """How many its process gets. One, where the job leaves it open and the cluster has any."""
        if job.kind in DIRECTING or job.gpus is not None:
            return 0 if job.kind in DIRECTING else job.gpus or 0
        state = importable("ray.util.state")
        try:
            nodes = state.list_nodes(address=self._client.get_address(), raise_on_missing_output=False)
        except (state.exception.RayStateApiException, OSError) as error:
            raise OutageError(f"The Ray cluster does not say what it has: {_first_line(error)}") from error
        return int(any((node.resources_total or {}).get("GPU", 0) >= 1 for node in nodes))


class RayHandle:
    """A job on the cluster, followed by a thread of its own: a silent head holds up neither heartbeats nor other jobs."""

    def __init__(self, client: Any, job: Claimed, submit: Callable[[], None]) -> None:
        self._client, self.name, self._job, self._submit = client, _name(job.job, job.attempt), job, submit
        self._code: int | None = None
        self._stopping = threading.Event()
        self._copied, self._copy_at = 0, time.monotonic() + LOG_SECONDS
        job.log.parent.mkdir(parents=True, exist_ok=True)
        self._write(f"--- attempt {job.attempt}, {self.name} on the Ray cluster\n")
        threading.Thread(target=self._follow, daemon=True, name=self.name).start()

    def poll(self) -> int | None:
        """The exit code, None while it waits for its place or runs; 1 where the cluster has been silent for too long.

        STOPPED also for a job that was to stop while it waited, which Ray cannot end before it starts, for one that Ray lets
        wait no longer, and for one that a silent cluster never took: should their processes start after all, they see that
        the job is no longer theirs.
        """
        return self._code

    def terminate(self) -> None:
        """SIGTERM, and after GENAIR_CANCEL_SECONDS SIGKILL, both sent by Ray. Returns at once."""
        self._stopping.set()

    def kill(self) -> None:
        """As `terminate`: Ray has no quicker end. A process that has lost its lease ends itself."""
        self.terminate()

    def _follow(self) -> None:
        code = 1
        try:
            code = self._until_over()
        except Exception as error:
            self._write(f"The Ray cluster does not run this job: {_first_line(error)}\n")
            log.exception("%s", self.name)
        finally:
            self._code = code

    def _until_over(self) -> int:
        """Submits the job and asks what Ray knows of it, about once a second, until it is over; returns the exit code."""
        submitted, stop_at, heard = False, 0.0, time.monotonic()
        while True:
            try:
                if not submitted:
                    if self._stopping.is_set():
                        return STOPPED
                    self._submit()
                    submitted = True
                if self._stopping.is_set() and time.monotonic() >= stop_at:
                    stop_at = time.monotonic() + STOP_SECONDS
                    with suppress(RuntimeError):
                        self._client.stop_job(self.name)
                code = self._asked()
                heard = time.monotonic()
            except (RuntimeError, OSError, OutageError) as error:
                refused = isinstance(error, RuntimeError) and (not submitted or "status code 404" in str(error))
                if refused or time.monotonic() - heard > GIVEN_UP_SECONDS:
                    self._write(f"The Ray cluster does not take or know this job: {_first_line(error)}\n")
                    return 1 if submitted or refused else STOPPED
                code = None
            if code is not None:
                return code
            if self._stopping.is_set():
                time.sleep(POLL_SECONDS)
            else:
                self._stopping.wait(POLL_SECONDS)

    def _asked(self) -> int | None:
        """The exit code as Ray knows it, after copying the log where that is due."""
        info = self._client.get_job_info(self.name)
        over = info.status.is_terminal()
        if over or time.monotonic() >= self._copy_at:
            self._copy_log()
        if over:
            waited = "RAY_JOB_START_TIMEOUT_SECONDS" in (info.message or "")
            codes = {"SUCCEEDED": 0, "STOPPED": STOPPED, "FAILED": STOPPED if waited else info.driver_exit_code or 1}
            code = codes[info.status.value]
            if code and not self._copied and info.message:
                self._write(f"{info.message}\n")
            return code
        return STOPPED if self._stopping.is_set() and info.status.value == "PENDING" else None

    def usage(self) -> dict[str, float]:
        """Not known: Ray's dashboard shows it."""
        return {}

    def _copy_log(self) -> None:
        began = time.monotonic()
        with suppress(RuntimeError, OSError):
            text = self._client.get_job_logs(self.name)
            self._write(text[self._copied :])
            self._copied = len(text)
        now = time.monotonic()
        self._copy_at = now + max(LOG_SECONDS, (now - began) / LOG_SHARE)

    def _write(self, text: str) -> None:
        with self._job.log.open("a", encoding="utf-8") as file:
            file.write(text)


def _client(submission: Any, address: str) -> Any:
    """Ray's client, which by itself waits for an answer as long as it takes."""

    class Client(submission.JobSubmissionClient):  # type: ignore[misc]  # Ray is not there where types are checked
        def _do_request(self, *request: Any, **options: Any) -> Any:
            return super()._do_request(*request, **{"timeout": REQUEST_SECONDS} | options)

    return Client(address)


def _name(job: str, attempt: int) -> str:
    """The name of an attempt in the cluster: the same attempt cannot be submitted twice."""
    return f"genair-{job}-{attempt}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
