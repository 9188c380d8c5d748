"""The schema: migrations build exactly the tables, on both back-ends, also when two processes open a workspace at once."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from genair_engine.errors import WorkspaceError
from genair_engine.settings import Settings
from genair_engine.store import database
from genair_engine.store.tables import Base, DatasetRow
from genair_engine.workspace import Workspace


def is_mapped(_object: object, name: str | None, _kind: str, _reflected: bool, _other: object) -> bool:
    """Everything but the search index, which only migrations know."""
    return not (name or "").startswith("item_search")


def test_migrations_build_the_tables(store_url: str) -> None:
    engine = database.connect(store_url)
    database.upgrade(engine)
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_mapped}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []
        checks = {check["name"] for check in inspect(connection).get_check_constraints("runs")}
    assert checks == {"ck_runs_state"}
    engine.dispose()


def test_upgrading_again_changes_nothing(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        session.execute(text("SELECT 1"))
    database.upgrade(store_workspace.engine)
    assert store_workspace.dataset_rows() == []


def _open_and_close(folder: Path, url: str, barrier: multiprocessing.synchronize.Barrier) -> None:
    barrier.wait()
    Workspace.open(Settings(workspace=folder, database_url=url)).close()


def test_processes_may_open_a_new_workspace_at_once(store_url: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_open_and_close, args=(tmp_path, store_url, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    workspace = Workspace.open(Settings(workspace=tmp_path, database_url=store_url))
    assert workspace.dataset_rows() == []
    workspace.close()


def test_newer_schema_is_refused(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WorkspaceError, match="newer version of GenAIR Studio \\(schema 9999\\)"):
        database.upgrade(store_workspace.engine)


def test_failed_migration_leaves_nothing(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(config: object, revision: str) -> None:
        real(config, revision)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    real = database.command.upgrade
    monkeypatch.setattr(database.command, "upgrade", fail)
    engine = database.connect(store_url)
    with pytest.raises(RuntimeError, match="power cut"):
        database.upgrade(engine)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_sqlite_has_wal_foreign_keys_and_patience(tmp_path: Path) -> None:
    workspace = Workspace.open(Settings(workspace=tmp_path / "new" / "folder", database_url=None))
    with workspace.reading() as session:
        names = ("journal_mode", "foreign_keys", "busy_timeout")
        pragmas = {name: session.scalar(text(f"PRAGMA {name}")) for name in names}
    workspace.close()
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}
    assert (tmp_path / "new" / "folder" / "genair.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("not a url", "is not a database URL"),
        ("mysql://user:hunter2@host/db", "'mysql'.*Use a SQLite file"),
        ("sqlite://", "Use a SQLite file"),
        ("postgresql+psycopg://someone:hunter2@127.0.0.1:1/genair?password=hunter2", "'genair' at 127.0.0.1:1.*server"),
    ],
)
def test_bad_urls_say_what_to_do_and_keep_the_password(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(WorkspaceError, match=message) as caught:
        Workspace.open(Settings(workspace=tmp_path, database_url=url))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "hunter2" not in repr(Settings(database_url=url))


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="GENAIR_WORKSPACE"):
        Workspace.open(Settings(workspace=tmp_path / "file", database_url=None))


def test_a_database_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "genair.db").write_bytes(b"not a database" * 100)
    with pytest.raises(WorkspaceError, match=r"genair\.db cannot be used: file is not a database"):
        Workspace.open(Settings(workspace=tmp_path, database_url=None))


def test_times_are_utc_on_both_backends(store_workspace: Workspace) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=3)))
    row = dict.fromkeys(("n_users", "n_items", "n_interactions", "n_rejected"), 0)
    with store_workspace.session() as session:
        session.add(DatasetRow(name="d", format="x", content_hash="", provenance={}, folder="", created_at=noon, **row))
    (found,) = store_workspace.dataset_rows()
    assert found.created_at == noon
    assert found.created_at.tzinfo is UTC


def test_wrong_sql_keeps_its_traceback(store_workspace: Workspace) -> None:
    with pytest.raises(DBAPIError), store_workspace.reading() as session:
        session.execute(text("SELECT nothing FROM nowhere"))
