"""Where a job's process runs. Locally: a process group of its own on this machine, with its GPUs, its log and a lifeline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from genair_engine.jobs.run import LIFELINE, WORKER
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store.jobs import session_name


@dataclass(frozen=True)
class Claimed:
    """A job that a worker has claimed. gpus: how many it asked for; devices: the indices that the worker chose.

    log_name: its log as the workspace calls it; log: the file.
    """

    job: str
    attempt: int
    kind: str
    gpus: int | None
    devices: list[int]
    log_name: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables that its process has wherever it runs."""
        return {"PYTHONUNBUFFERED": "1", "PGAPPNAME": session_name(self.job, self.attempt)}

    @property
    def launched(self) -> bool:
        """Whether torch's launcher starts it, a process for each GPU."""
        return self.kind == "train" and len(self.devices) > 1

    @property
    def command(self) -> list[str]:
        """What runs it."""
        module = ["-m", "genair_engine.jobs.run", self.job, str(self.attempt)]
        if self.launched:
            launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={len(self.devices)}"]
            return [sys.executable, *launcher, *module]
        return [sys.executable, *module]


class Handle(Protocol):
    """A job's process that was started."""

    def poll(self) -> int | None:
        """Its exit code (negative: the signal that ended it), None while it runs."""

    def terminate(self) -> None:
        """Asks it to stop at its next checkpoint."""

    def kill(self) -> None:
        """Ends it, and all processes that it started, at once."""

    def usage(self) -> dict[str, float]:
        """cpu_percent (100 is one core) and memory_mb of it and all that it started; {} where it is not known."""


class Executor(Protocol):
    """Starts jobs. name: "local" or "ray"."""

    name: str

    def start(self, job: Claimed) -> Handle:
        """Raises GenairError where it cannot be started."""


class LocalExecutor:
    """Processes on this machine."""

    name = "local"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def start(self, job: Claimed) -> LocalHandle:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | self.settings.environment() | job.environment
        if job.gpus != 0 and job.devices:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, job.devices))
            environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the driver's numbers, which `gpus.probe` sees
        elif job.gpus == 0:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        reading, writing = os.pipe()
        try:
            with job.log.open("ab") as log:
                log.write(f"--- attempt {job.attempt}\n".encode())
                log.flush()
                process = subprocess.Popen(
                    job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=REPOSITORY,
                    env=environment | ({WORKER: str(os.getpid())} if job.launched else {LIFELINE: str(reading)}),
                    pass_fds=[reading],
                    start_new_session=True,
                )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        return LocalHandle(process, writing)


class LocalHandle:
    """A process group on this machine. It ends with this object's process: the lifeline's other end closes then."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int) -> None:
        self.process, self._lifeline = process, lifeline
        self._seen: dict[int, psutil.Process] = {}

    def poll(self) -> int | None:
        code = self.process.poll()
        if code is not None and self._lifeline >= 0:
            self._signal(signal.SIGKILL)  # what it started and did not wait for
            os.close(self._lifeline)
            self._lifeline = -1
        return code

    def terminate(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()

    def kill(self) -> None:
        if self._lifeline >= 0:  # afterwards its numbers may be another's
            self._signal(signal.SIGKILL)

    def usage(self) -> dict[str, float]:
        try:
            alive = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
            # The same objects every time: CPU use is counted from one call to the next.
            self._seen = {pid: self._seen.get(pid) or psutil.Process(pid) for pid in alive}
            processes = list(self._seen.values())
            return {
                "cpu_percent": round(sum(process.cpu_percent() for process in processes), 1),
                "memory_mb": round(sum(process.memory_info().rss for process in processes) / 1e6, 1),
            }
        except psutil.Error:  # it ended in between
            return {}

    def _signal(self, number: signal.Signals) -> None:
        with suppress(psutil.Error):  # torch's launcher gives its processes groups of their own
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.send_signal(number)
        with suppress(ProcessLookupError, PermissionError):  # gone; macOS says the latter for a group of zombies
            os.killpg(self.process.pid, number)
