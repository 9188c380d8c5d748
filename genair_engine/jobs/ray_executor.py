"""Jobs on a Ray cluster: a job's process is submitted to Ray Jobs with its GPUs, followed by its status, its log copied here.

A generation or a sweep only directs tasks that ask for GPUs themselves: its process takes none. All machines need what
`genair_engine.cluster` says. The process watches its lease in the database, so it ends when this worker is gone for good.
"""

from __future__ import annotations

import dataclasses
import shlex
import time
from contextlib import suppress
from typing import Any

from genair_engine.cluster import importable, reachable, shared, variables
from genair_engine.errors import OutageError
from genair_engine.jobs.executors import Claimed
from genair_engine.jobs.run import STOPPED
from genair_engine.settings import REPOSITORY, Settings

DIRECTING = ("generate", "sweep")
"""Kinds whose process spreads its work over the cluster."""
POLL_SECONDS = 1.0
LOG_SECONDS = 5.0
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
            self._client = submission.JobSubmissionClient(address)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise OutageError(f"Ray Jobs cannot be reached at {address}: {_first_line(error)}") from error

    def start(self, job: Claimed) -> RayHandle:
        """Submits it. Raises OutageError where the cluster does not take it."""
        for attempt in range(1, job.attempt):  # a worker that died may have left one behind
            with suppress(RuntimeError, OSError):
                self._client.stop_job(_name(job.job, attempt))
        gpus = self._gpus(job)
        environment = variables(self.settings) | {
            "PYTHONUNBUFFERED": "1",
            "RAY_JOB_STOP_WAIT_TIME_S": str(max(1, int(self.settings.cancel_seconds))),
        }
        if job.kind in DIRECTING and job.gpus is not None:
            environment["GENAIR_RAY_GPUS"] = str(job.gpus)
        elif job.kind not in DIRECTING and not gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        command = dataclasses.replace(job, devices=list(range(gpus))).command
        try:
            name = self._client.submit_job(
                entrypoint=f"cd {shlex.quote(str(REPOSITORY))} && exec {shlex.join(command)}",
                submission_id=_name(job.job, job.attempt),
                runtime_env={"env_vars": environment},
                entrypoint_num_gpus=gpus,
                entrypoint_num_cpus=0 if job.kind in DIRECTING else self.settings.threads or 1,
                metadata={"job": job.job, "kind": job.kind},
            )
        except (RuntimeError, OSError) as error:
            raise OutageError(f"The Ray cluster does not take the job: {_first_line(error)}") from error
        return RayHandle(self._client, name, job)

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
    """A submitted job. What Ray knows of it is asked at most once a second."""

    def __init__(self, client: Any, name: str, job: Claimed) -> None:
        self._client, self.name, self._job = client, name, job
        self._code: int | None = None
        self._asked = self._copied_at = 0.0
        self._heard = time.monotonic()
        self._copied = 0
        self._stopping = False
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("a") as log:
            log.write(f"--- attempt {job.attempt}, {name} on the Ray cluster\n")

    def poll(self) -> int | None:
        """The exit code, None while it waits for its place or runs; 1 where the cluster has been silent for too long.

        STOPPED also for a job that was to stop while it waited, which Ray cannot end before it starts, and for one that Ray
        lets wait no longer: should their processes start after all, they see that the job is no longer theirs.
        """
        now = time.monotonic()
        if self._code is not None or now - self._asked < POLL_SECONDS:
            return self._code
        self._asked = now
        try:
            info = self._client.get_job_info(self.name)
        except (RuntimeError, OSError) as error:
            gone = isinstance(error, RuntimeError) and "404" in str(error)
            if gone or now - self._heard > GIVEN_UP_SECONDS:
                self._write(f"The Ray cluster says nothing of this job any more: {_first_line(error)}\n")
                self._code = 1
            return self._code
        self._heard = now
        over = info.status.is_terminal()
        if over or now - self._copied_at > LOG_SECONDS:
            self._copied_at = now
            self._copy_log()
        if over:
            waited = "RAY_JOB_START_TIMEOUT_SECONDS" in (info.message or "")
            codes = {"SUCCEEDED": 0, "STOPPED": STOPPED, "FAILED": STOPPED if waited else info.driver_exit_code or 1}
            self._code = codes[info.status.value]
            if self._code and not self._copied and info.message:
                self._write(f"{info.message}\n")
        elif self._stopping and info.status.value == "PENDING":
            self._code = STOPPED
        return self._code

    def terminate(self) -> None:
        """SIGTERM, and after GENAIR_CANCEL_SECONDS SIGKILL, both sent by Ray."""
        self._stopping = True
        with suppress(RuntimeError, OSError):
            self._client.stop_job(self.name)

    def kill(self) -> None:
        """As `terminate`: Ray has no quicker end. A process that has lost its lease ends itself."""
        self.terminate()

    def usage(self) -> dict[str, float]:
        """Not known: Ray's dashboard shows it."""
        return {}

    def _copy_log(self) -> None:
        with suppress(RuntimeError, OSError):
            text = self._client.get_job_logs(self.name)
            self._write(text[self._copied :])
            self._copied = len(text)

    def _write(self, text: str) -> None:
        with self._job.log.open("a", encoding="utf-8") as log:
            log.write(text)


def _name(job: str, attempt: int) -> str:
    """The name of an attempt in the cluster: the same attempt cannot be submitted twice."""
    return f"genair-{job}-{attempt}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
