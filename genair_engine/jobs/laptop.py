"""The worker that the app starts on a laptop: one process beside the app, found again after the app's restart.

It leaves when it has had nothing to do for a while, and comes back with the next job.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from genair_engine.settings import REPOSITORY
from genair_engine.store import jobs as rows
from genair_engine.store.tables import WorkerRow
from genair_engine.workspace import Workspace

IDLE_SECONDS = 120
LOG = "jobs/worker.log"
STARTING_SECONDS = 20.0
"""Time that a worker may take until it says that it is alive."""
_started: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}
"""The worker that this process has started for a workspace's folder, and when (monotonic)."""


def ensure_worker(workspace: Workspace) -> None:
    """Starts a worker where jobs wait, none is alive and the settings do not forbid it.

    Asking twice starts one, also from two processes: the second worker finds the first one's lock and leaves.
    """
    if workspace.settings.worker == "none":
        return
    started, when = _started.get(workspace.folder, (None, 0.0))
    if started is not None and started.poll() is None and time.monotonic() - when < STARTING_SECONDS:
        return
    with workspace.reading() as session:
        if any(_alive(worker) for worker in rows.live_workers(session)) or not rows.newest(session, rows.LIVE, (), 1):
            return
    log = workspace.path(LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "genair_engine", "worker", "--idle-exit", str(IDLE_SECONDS), "--only-one"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env=os.environ | workspace.settings.environment(),
            start_new_session=True,  # the app's Ctrl-C is not the worker's
        )
    _started[workspace.folder] = process, time.monotonic()


def _alive(worker: WorkerRow) -> bool:
    """A worker of this machine that was killed is not waited for until its lease ends."""
    return worker.host != socket.gethostname() or psutil.pid_exists(worker.pid)
