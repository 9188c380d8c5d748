"""A PostgreSQL server from Debian's packages, for tests and benchmarks.

It runs on a free port of 127.0.0.1 in a temporary folder, independent of the cluster that Debian's package starts. It stops
with its block, and with this process should that be killed.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg


def programs() -> Path | None:
    """The folder of the newest complete installation, None where there is none."""
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    if shutil.which("pg_config"):
        folders.append(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip())
    complete = [Path(folder) for folder in folders if (Path(folder) / "initdb").exists()]
    return max(complete, default=None)


@contextmanager
def running_server(binaries: Path) -> Iterator[int]:
    """Runs a server for the block, with the programs of that folder; its port. User `genair`, database `postgres`."""
    identity = _server_identity()
    folder = Path(tempfile.mkdtemp(prefix="genair-postgres-"))
    try:
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        data = folder / "data"
        initdb = [binaries / "initdb", "-D", data, "-U", "genair", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **identity)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "QUIT", *command]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **identity)
        try:
            _wait_until_ready(server, port, folder / "log")
            yield port
        finally:
            server.send_signal(signal.SIGINT)  # "fast": disconnects the clients and stops
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_identity() -> dict[str, Any]:
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return {}
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = users.get("postgres") or users["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(f"postgresql://genair@127.0.0.1:{port}/postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
