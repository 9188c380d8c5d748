"""The database connection and its schema: SQLite by default, PostgreSQL by URL, migrated by Alembic when opened.

SQLite runs in WAL mode: readers never wait, writers queue. A transaction that reads first and writes later cannot
queue (its snapshot would be stale), so writers take the lock at BEGIN: `writing(engine)`. Passwords never reach a
message: errors name the database by `describe`.

The revision of the schema is kept in a table of our own, because Optuna's studies live in the same database and keep
theirs in `alembic_version`, Alembic's usual place, where ours was at first.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from genair_engine.errors import OutageError, WorkspaceError
from genair_engine.settings import REPOSITORY

MIGRATIONS = REPOSITORY / "sql" / "migrations"
VERSION_TABLE = "genair_schema_version"
FORMER_VERSION_TABLE = "alembic_version"
BUSY_SECONDS = 10
ADVISORY_LOCK = 0x67656E616972  # "genair"; names the migration lock inside one PostgreSQL database

_SILENT_SERVER = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""libpq's: a PostgreSQL whose machine has vanished is an error after some 25 s, not a wait for ever [s, s, times, ms]."""

_alembic_lock = threading.Lock()  # Alembic's environment is global to the process


def connect(url: str) -> Engine:
    """An engine for `url` (nothing is opened yet). Raises WorkspaceError on a URL that is not usable."""
    parsed, options = engine_options(url)
    engine = create_engine(parsed, **options)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def engine_options(url: str) -> tuple[URL, dict[str, Any]]:
    """The URL with its driver and the options of an engine for it, for whoever makes one of their own (Optuna).

    Raises WorkspaceError on a URL that is not usable.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise WorkspaceError(
            "GENAIR_DATABASE_URL is not a database URL. Write e.g. postgresql+psycopg://user:password@host/genair "
            "(special characters of the password as %XX), or unset it to use SQLite in the workspace."
        ) from None
    options: dict[str, Any] = {"json_serializer": partial(json.dumps, ensure_ascii=False, allow_nan=False)}
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed, options | {"connect_args": {"timeout": BUSY_SECONDS}}
        case "postgresql" | "postgres":
            options |= {"connect_args": {"connect_timeout": BUSY_SECONDS} | _SILENT_SERVER, "pool_pre_ping": True}
            return parsed.set(drivername="postgresql+psycopg"), options
        case other:
            raise WorkspaceError(
                f"GENAIR_DATABASE_URL names {other!r}. Use a SQLite file (sqlite:////folder/genair.db) or PostgreSQL "
                "(postgresql+psycopg://user:password@host:5432/genair)."
            )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin in _begin_sqlite, so that DDL is in them too
    # recursive triggers: a run goes with what it reads, and takes along the runs that read it
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", "recursive_triggers = ON", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('sqlite_begin', 'DEFERRED')}")


def writing(engine: Engine) -> Engine:
    """The same engine whose transactions take SQLite's write lock at their start (waiting up to 10 s for it)."""
    return engine.execution_options(sqlite_begin="IMMEDIATE")


def describe(url: URL) -> str:
    """The database in words, without user, password and query string."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database}"
    return f"PostgreSQL database {url.database!r} at {url.host or 'the local socket'}:{url.port or 5432}"


@contextmanager
def readable_errors(engine: Engine) -> Iterator[None]:
    """Turns a failing connection into an OutageError that says which database and what to do."""
    try:
        yield
    except DBAPIError as error:
        if not _is_outage(error):
            raise
        raise OutageError(_explain(engine.url, error)) from None


def _is_outage(error: DBAPIError) -> bool:
    """Whether the database failed rather than our SQL. SQLite reports wrong SQL as an OperationalError, too."""
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False
    not_a_database = type(error) is DatabaseError  # SQLite: another kind of file, or a corrupt one
    return isinstance(error, OperationalError) or error.connection_invalidated or not_a_database


def _explain(url: URL, error: DBAPIError) -> str:
    reason = str(error.orig).strip().splitlines()[0] if error.orig else "no reason given"
    if url.password:
        reason = reason.replace(str(url.password), "***")
    if url.get_backend_name() != "sqlite":
        advice = "Is the server running, and is GENAIR_DATABASE_URL right?"
    elif "locked" in reason:
        advice = f"Another process has been writing for more than {BUSY_SECONDS} s; try again when it has finished."
    else:
        advice = "Is its folder writable and the disk not full? GENAIR_WORKSPACE names another folder."
    return f"The {describe(url)} cannot be used: {reason}. {advice}"


def upgrade(engine: Engine) -> None:
    """Brings the schema to this code's revision; does nothing when it is there.

    Safe when several processes do it at once (SQLite's write lock, PostgreSQL's advisory lock), all or nothing.
    Raises WorkspaceError when the database cannot be reached or was made by newer code.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with readable_errors(engine):
        with engine.connect() as connection:
            if _revision(connection, scripts) == scripts.get_current_head():
                return
        with _alembic_lock, writing(engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            _move_version(connection, scripts)
            if _revision(connection, scripts) != scripts.get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")


def _revision(connection: Connection, scripts: ScriptDirectory) -> str | None:
    revision = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if revision is not None and revision not in _known_revisions(scripts):
        raise WorkspaceError(
            f"The {describe(connection.engine.url)} was made by a newer version of GenAIR Studio (schema {revision}). "
            "Update the code, or name another database in GENAIR_DATABASE_URL or folder in GENAIR_WORKSPACE."
        )
    return revision


def _known_revisions(scripts: ScriptDirectory) -> set[str]:
    return {script.revision for script in scripts.walk_revisions()}


def _move_version(connection: Connection, scripts: ScriptDirectory) -> None:
    """Moves our revision from Alembic's usual table, where a database made by the first code has it, to our own.

    A revision that is not ours stays: it is Optuna's. The emptied table goes, so that Optuna makes its own.
    """
    if not inspect(connection).has_table(FORMER_VERSION_TABLE):
        return
    former = set(connection.scalars(text(f"SELECT version_num FROM {FORMER_VERSION_TABLE}")))
    ours = former & _known_revisions(scripts)
    for revision in ours:
        MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).stamp(scripts, revision)
        connection.execute(text(f"DELETE FROM {FORMER_VERSION_TABLE} WHERE version_num = :ours"), {"ours": revision})
    if ours and former == ours:
        connection.execute(text(f"DROP TABLE {FORMER_VERSION_TABLE}"))
