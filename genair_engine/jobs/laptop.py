"""The worker that the app starts on a laptop: one process beside the app, found again after the app's restart.

It leaves when it has had nothing to do for a while, and comes back with the next job.
"""

from __future__ import annotations

import os
import subprocess
import sys

from genair_engine.settings import REPOSITORY
from genair_engine.store import jobs as rows
from genair_engine.workspace import Workspace

IDLE_SECONDS = 120
LOG = "jobs/worker.log"


def ensure_worker(workspace: Workspace) -> None:
    """Starts a worker where jobs wait, none is alive and the settings do not forbid it.

    Asking twice starts one: the second worker finds the first one's lock and leaves.
    """
    if workspace.settings.worker == "none":
        return
    with workspace.reading() as session:
        if rows.live_workers(session) or not rows.newest(session, rows.LIVE, (), 1):
            return
    log = workspace.path(LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        subprocess.Popen(
            [sys.executable, "-m", "genair_engine", "worker", "--idle-exit", str(IDLE_SECONDS), "--only-one"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env=os.environ | workspace.settings.environment(),
            start_new_session=True,  # the app's Ctrl-C is not the worker's
        )
