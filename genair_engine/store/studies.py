"""Optuna's studies, the searches of hyperparameters, which it keeps in tables of its own in the workspace's database.

Optuna makes its tables when a storage is opened, and two processes that do it at once fail: here they do it one after another.
It is imported when a study is opened or deleted, not before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text

from genair_engine.errors import WorkspaceError
from genair_engine.store import artifacts, database

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

LOCK = "studies"
"""The folder in a workspace that is locked while tables are made."""
PATIENCE = 60.0
"""How long to wait for another process that makes the tables [s]."""
_PAUSE = 0.05


@contextmanager
def opened(engine: Engine, url: str, lock: Path) -> Iterator[RDBStorage]:
    """Optuna's storage in the database of `engine`, whose URL is `url`. lock: a folder that all its users share.

    Raises WorkspaceError where the database cannot be used, also from within the block.
    """
    from optuna.exceptions import StorageInternalError

    try:
        with database.readable_errors(engine):
            storage = _made(url, lock)
            try:
                yield storage
            finally:
                storage.remove_session()
                storage.engine.dispose()
    except StorageInternalError as error:
        raise WorkspaceError(
            f"Searches of hyperparameters cannot be kept in the database: {error}. The same command goes on with it."
        ) from error


def names(engine: Engine) -> list[str]:
    """The names of all studies, sorted; none where Optuna has never been used."""
    with database.readable_errors(engine), engine.connect() as connection:
        if not inspect(connection).has_table("studies"):
            return []
        return list(connection.scalars(text("SELECT study_name FROM studies ORDER BY study_name")))


def prefix(dataset: str, dataset_id: int) -> str:
    """What the names of a data set's studies start with."""
    return f"{dataset} ({dataset_id}) "


def delete(engine: Engine, url: str, lock: Path, start: str) -> None:
    """Removes the studies whose names start so, with their trials."""
    chosen = [name for name in names(engine) if name.startswith(start)]
    if not chosen:
        return
    with opened(engine, url, lock) as storage:
        for name in chosen:
            storage.delete_study(storage.get_study_id_from_name(name))


def _made(url: str, lock: Path) -> RDBStorage:
    from optuna.storages import RDBStorage

    parsed, options = database.engine_options(url)
    until = time.monotonic() + PATIENCE
    while True:
        with artifacts.locked(lock) as ours:
            if ours:
                return RDBStorage(parsed.render_as_string(hide_password=False), engine_kwargs=options)
        if time.monotonic() > until:
            raise WorkspaceError(
                f"Another process has been making the tables of searches for more than {PATIENCE:g} s ({lock}). Try again "
                "when it has ended."
            )
        time.sleep(_PAUSE)
