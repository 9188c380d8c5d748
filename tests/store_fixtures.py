"""Fixtures of the store: a PostgreSQL server of our own from Debian's packages, and workspaces on both back-ends.

The server runs on a free port of 127.0.0.1 in a temporary folder, independent of the cluster that Debian's package
starts. It stops with the session, and with the test process should that be killed. Every test gets its own database.
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
from uuid import uuid4

import psycopg
import pytest

from genair_engine.settings import Settings
from genair_engine.workspace import Workspace


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a running PostgreSQL server (its database is `postgres`)."""
    programs = _postgres_programs() or _install_postgres()
    if programs is None:
        pytest.skip("NO POSTGRESQL: `apt-get install postgresql` (or GENAIR_TEST_INSTALL=1 as root) runs these tests")
    with _running_server(programs) as port:
        yield f"postgresql+psycopg://genair@127.0.0.1:{port}/postgres"


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres_url.removesuffix("postgres") + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, on each back-end in turn."""
    return f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_database")


@pytest.fixture
def store_workspace(store_url: str, tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace, on each back-end in turn."""
    workspace = Workspace.open(Settings(workspace=tmp_path / "workspace", database_url=store_url))
    yield workspace
    workspace.close()


def _postgres_programs() -> Path | None:
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    if shutil.which("pg_config"):
        folders.append(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip())
    complete = [Path(folder) for folder in folders if (Path(folder) / "initdb").exists()]
    return max(complete, default=None)


def _install_postgres() -> Path | None:
    wanted = os.environ.get("CI") or os.environ.get("GENAIR_TEST_INSTALL")
    if not wanted or os.getuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "postgresql"]):
        subprocess.run(["apt-get", *arguments], env=environment, capture_output=True)
    return _postgres_programs()


@contextmanager
def _running_server(programs: Path) -> Iterator[int]:
    identity = _server_identity()
    folder = Path(tempfile.mkdtemp(prefix="genair-postgres-"))
    try:
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        data = folder / "data"
        initdb = [programs / "initdb", "-D", data, "-U", "genair", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **identity)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
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
    pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
