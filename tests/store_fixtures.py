"""Fixtures of the store: a PostgreSQL server of our own from Debian's packages, and workspaces on both back-ends.

Every test gets its own database.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from genair_engine.settings import Settings
from genair_engine.workspace import Workspace
from tests.debian import found_or_installed
from tests.postgres import programs, running_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a running PostgreSQL server (its database is `postgres`)."""
    folder = found_or_installed(programs, "postgresql")
    if folder is None:
        pytest.skip("NO POSTGRESQL: `apt-get install postgresql` (or GENAIR_TEST_INSTALL=1 as root) runs these tests")
    with running_server(folder) as port:
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
