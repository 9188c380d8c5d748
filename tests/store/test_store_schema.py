"""The schema: migrations build exactly the tables, on both back-ends, also when two processes open a workspace at once."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from genair_engine.errors import WorkspaceError
from genair_engine.settings import Settings
from genair_engine.store import database
from genair_engine.store.runs import list_runs
from genair_engine.store.tables import Base, DatasetRow
from genair_engine.workspace import Workspace

NEWEST = max(path.name[:4] for path in database.MIGRATIONS.glob("versions/*.py"))
"""Revision of the schema."""


def is_mapped(_object: object, name: str | None, _kind: str, _reflected: bool, _other: object) -> bool:
    """Everything but the search index, which only migrations know."""
    return not (name or "").startswith("item_search")


def test_migrations_build_the_tables(store_url: str) -> None:
    engine = database.connect(store_url)
    database.upgrade(engine)
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_mapped, "version_table": database.VERSION_TABLE}
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


def open_at_once(url: str, folder: Path) -> list[int | None]:
    """Exit codes of three processes that open the workspace at the same moment."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_open_and_close, args=(folder, url, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_processes_may_open_a_new_workspace_at_once(store_url: str, tmp_path: Path) -> None:
    assert open_at_once(store_url, tmp_path) == [0, 0, 0]
    workspace = Workspace.open(Settings(workspace=tmp_path, database_url=store_url))
    assert workspace.dataset_rows() == []
    workspace.close()


def test_newer_schema_is_refused(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        session.execute(text("UPDATE genair_schema_version SET version_num = '9999'"))
    with pytest.raises(WorkspaceError, match="newer version of GenAIR Studio \\(schema 9999\\)"):
        database.upgrade(store_workspace.engine)


def as_the_first_code_left_it(engine: Engine) -> None:
    """A database at revision 0001, which is kept in Alembic's usual table."""
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("DROP TABLE genair_schema_version"))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
        row = "(id, name, format, created_at, content_hash, n_users, n_items, n_interactions, n_rejected, provenance, folder)"
        values = "(1, 'shop', 'tables', '2026-11-01 12:00:00', '', 0, 0, 0, 0, '{}', 'datasets/shop')"
        connection.execute(text(f"INSERT INTO datasets {row} VALUES {values}"))
        names = (
            "(id, dataset_id, backbone, method, loss, seed, config, config_key, state, epochs_done, device, protocol, "
            "metrics, code_version, folder, created_at, updated_at)"
        )
        values = (
            "('old', 1, 'sasrec', 'id', 'bce', 1, '{\"dim\": 8}', 'key', 'done', 2, 'cpu', '{}', '{}', '0.1.0', 'runs/old', "
            "'2026-11-01 12:00:00', '2026-11-01 12:00:00')"
        )
        connection.exec_driver_sql(f"INSERT INTO runs {names} VALUES {values}")


def versions(engine: Engine) -> dict[str, list[str]]:
    with engine.connect() as connection:
        tables = {"genair_schema_version", "alembic_version"} & set(inspect(connection).get_table_names())
        return {name: list(connection.scalars(text(f"SELECT version_num FROM {name}"))) for name in tables}


def test_a_database_of_the_first_code_is_taken_over(store_url: str, tmp_path: Path) -> None:
    engine = database.connect(store_url)
    as_the_first_code_left_it(engine)
    workspace = Workspace.open(Settings(workspace=tmp_path / "workspace", database_url=store_url))
    assert [row.name for row in workspace.dataset_rows()] == ["shop"]
    with workspace.reading() as session:
        (run,) = list_runs(session, 1)
        assert (run.id, run.config, run.efficiency) == ("old", {"dim": 8}, {})
    workspace.close()
    assert versions(engine) == {"genair_schema_version": [NEWEST]}
    database.upgrade(engine)
    assert versions(engine) == {"genair_schema_version": [NEWEST]}
    engine.dispose()


def test_processes_may_open_a_database_of_the_first_code_at_once(store_url: str, tmp_path: Path) -> None:
    engine = database.connect(store_url)
    as_the_first_code_left_it(engine)
    assert open_at_once(store_url, tmp_path) == [0, 0, 0]
    assert versions(engine) == {"genair_schema_version": [NEWEST]}
    engine.dispose()


def test_optuna_lives_in_the_same_database(store_workspace: Workspace) -> None:
    import optuna

    url, options = database.engine_options(store_workspace.settings.database)
    storage = optuna.storages.RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
    optuna.create_study(study_name="search", storage=storage).enqueue_trial({"alpha": 0.1})
    theirs = versions(store_workspace.engine)["alembic_version"]
    database.upgrade(store_workspace.engine)
    assert versions(store_workspace.engine) == {"genair_schema_version": [NEWEST], "alembic_version": theirs}
    with storage.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA busy_timeout")) == 10_000
    assert optuna.load_study(study_name="search", storage=storage).trials[0].state == optuna.trial.TrialState.WAITING
    storage.engine.dispose()


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
    (dataset,) = store_workspace.dataset_rows()
    assert dataset.created_at == noon
    assert dataset.created_at.tzinfo is UTC


def test_wrong_sql_keeps_its_traceback(store_workspace: Workspace) -> None:
    with pytest.raises(DBAPIError), store_workspace.reading() as session:
        session.execute(text("SELECT nothing FROM nowhere"))
