"""The workspace: the one object that app, CLI and jobs open. It holds the database and the artifact folder.

It keeps datasets (rows in the database, arrays as artifacts) and hands out sessions and paths; what is done with them
is the verbs' business. Saving builds the artifacts aside, names them, and commits the rows last: a crash in between
leaves a folder that no row names, never a row without its folder.

Where the workspace is a URL, its folder is a cache: what is read is fetched first, what is written is published when it is
complete and before a row says that it is there. Where it is a folder, both do nothing.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.negatives import draw_negatives
from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError, OutageError, WorkspaceError
from genair_engine.settings import Settings, load_settings
from genair_engine.store import artifacts, database, datasets, studies
from genair_engine.store.keys import new_id
from genair_engine.store.remote import Remote
from genair_engine.store.tables import DatasetRow

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SIDE_TABLES = ("users", "triples", "links")


class ReadResult(Protocol):
    """What a reader hands over: the dataset, and the records that it left out."""

    @property
    def dataset(self) -> Dataset: ...
    @property
    def rejected(self) -> Sequence[datasets.Rejection]: ...


class Workspace:
    """An open workspace. Safe to share between threads; every session is its own.

    settings: what it was opened with. folder: the artifact folder, absolute. remote: what the folder is a cache of, if it is.
    job: the job that it was opened for, if it was. actor: who works with it, if anybody said.
    """

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.job: str | None = None
        self.actor = settings.actor
        self.folder = settings.folder
        self.remote = Remote(settings.url, settings.folder) if settings.url else None
        self.engine = engine
        self._writer = database.writing(engine)
        self._datasets: dict[tuple[int, str], Dataset] = {}

    @classmethod
    def open(cls, settings: Settings | None = None) -> Workspace:
        """Opens the workspace that the settings name, creating the folder and the database's tables where missing.

        Raises WorkspaceError when the folder cannot be written, the database cannot be reached, or newer code made it;
        InputError for a URL without a database that machines can share.
        """
        settings = settings or load_settings()
        engine = database.connect(settings.database)
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"The workspace folder {settings.folder} cannot be made ({error.strerror}). "
                f"Name another one in {'GENAIR_CACHE_DIR' if settings.url else 'GENAIR_WORKSPACE'}."
            ) from error
        database.upgrade(engine)
        return cls(settings, engine)

    def acting_as(self, actor: str) -> Workspace:
        """This workspace for somebody else: it shares everything with it but who acts."""
        other = copy.copy(self)
        other.actor = actor
        return other

    def close(self) -> None:
        """Closes the database connections."""
        self.engine.dispose()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction that may write: committed when the block ends, rolled back when it fails.

        On SQLite it holds the one write lock: do the computing before, not inside. Rows stay readable afterwards.
        """
        begin = sessionmaker(self._writer, expire_on_commit=False).begin
        with database.readable_errors(self.engine), begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view for queries only: never waits for writers, and nothing done in it is kept."""
        with database.readable_errors(self.engine), Session(self.engine, autoflush=False) as session:
            yield session

    def path(self, relative: str) -> Path:
        """The absolute path of an artifact or folder that a row names."""
        return self.folder / relative

    def fetch(self, relative: str, optional: bool = False) -> Path:
        """The path of an artifact or folder that is about to be read; for a URL, after what is new there has come here.

        Raises WorkspaceError where the URL cannot be read, or has nothing of that name and it is not optional.
        """
        if self.remote and not self.remote.fetch(relative) and not optional:
            raise WorkspaceError(
                f"{self.remote.url}/{relative} is missing. Is GENAIR_WORKSPACE the workspace that this database belongs to? "
                "If so, delete what the artifact belongs to and make it anew."
            )
        return self.path(relative)

    def publish(self, relative: str) -> None:
        """Says that an artifact or folder is complete; for a URL, returns when it is there. Rows that name it come after.

        Raises WorkspaceError where the URL cannot be written.
        """
        if self.remote:
            self.remote.publish(relative)

    def remove(self, relative: str) -> None:
        """Removes an artifact or folder, here and for a URL there, where it exists. Raises WorkspaceError."""
        artifacts.remove(self.path(relative))
        if self.remote:
            self.remote.delete(relative)

    def discard(self, relative: str) -> None:
        """Removes what no row names any more, as far as it can be reached: never an error of its own."""
        with suppress(WorkspaceError):
            self.remove(relative)

    def dataset_rows(self) -> Sequence[DatasetRow]:
        """All datasets by name."""
        with self.reading() as session:
            return datasets.list_datasets(session)

    def dataset_row(self, name: str) -> DatasetRow:
        """The row of one dataset. Raises NotFoundError with near names."""
        with self.reading() as session:
            return datasets.find_dataset(session, name)

    def save_dataset(self, result: ReadResult, format: str) -> DatasetRow:
        """Keeps what a reader read, with 100 negatives a user drawn once for all methods; all of it or nothing.

        format: the reader's name. Raises InputError when the name is taken or is not fit for a folder, OutageError when the
        database is away: it may be kept then all the same.
        """
        dataset = result.dataset
        if not _NAME.fullmatch(dataset.name):
            raise InputError(
                f"{dataset.name!r} cannot name a dataset. Use letters, digits, '.', '_' and '-' (at most 100, "
                "starting with a letter or digit)."
            )
        with self.reading() as session:
            datasets.refuse_existing(session, dataset.name)
        folder = f"datasets/{dataset.name}-{new_id()}"
        row = DatasetRow(
            name=dataset.name,
            job_id=self.job,
            format=format,
            content_hash=content_hash(dataset),
            n_users=dataset.n_users,
            n_items=dataset.n_items,
            n_interactions=dataset.n_interactions,
            n_rejected=len(result.rejected),
            provenance=dataset.provenance,
            folder=folder,
        )
        try:
            with artifacts.building(self.path(folder)) as aside:
                _write_arrays(aside, dataset)
            self.publish(folder)
            with self.session() as session:
                datasets.refuse_existing(session, dataset.name)
                session.add(row)
                session.flush()
                popularity, groups = dataset.popularity[1:].tolist(), dataset.popularity_group[1:].tolist()
                datasets.insert_items(session, row.id, dataset.items, popularity, groups)
                datasets.insert_rejections(session, row.id, result.rejected)
        except OutageError:
            raise  # perhaps while the rows were committed, which may be there then: files that no row names do no harm
        except BaseException as error:
            self.discard(folder)
            if isinstance(error, IntegrityError):
                raise InputError(f"Dataset {dataset.name!r} cannot be stored: {error.orig}") from error
            raise
        return row

    def load_dataset(self, name: str) -> Dataset:
        """The dataset of that name; kept in memory, so that asking again costs nothing.

        Raises NotFoundError, or WorkspaceError when its artifacts are missing or corrupt.
        """
        with self.reading() as session:
            row = datasets.find_dataset(session, name)
            key = (row.id, row.content_hash)
            if key not in self._datasets:
                self._datasets[key] = self._read_dataset(session, row)
            return self._datasets[key]

    def _read_dataset(self, session: Session, row: DatasetRow) -> Dataset:
        folder = self.fetch(row.folder)
        arrays = artifacts.load_arrays(folder / "sequences.safetensors")
        tables = {name: folder / f"{name}.parquet" for name in _SIDE_TABLES}
        return Dataset(
            name=row.name,
            items=datasets.items_frame(session, row.id),
            sequences=Sequences(arrays["items"], arrays["offsets"]),
            user_ids=artifacts.unpack_strings(arrays["user_ids"], arrays["user_id_offsets"]),
            provenance=row.provenance,
            **{name: artifacts.load_table(path) for name, path in tables.items() if path.exists()},
        )

    def negatives(self, name: str) -> npt.NDArray[np.int32]:
        """[n_eval, 100] int32: the negatives of the evaluated users (`Dataset.split.users`), drawn at import."""
        path = self.fetch(f"{self.dataset_row(name).folder}/negatives.safetensors")
        return artifacts.load_arrays(path)["negatives"]

    def delete_dataset(self, name: str) -> None:
        """Removes a dataset and all that was made from it: searches, rows and artifacts. Raises NotFoundError."""
        row = self.dataset_row(name)
        studies.delete(self.engine, self.settings.database, self.path(studies.LOCK), studies.prefix(row.name, row.id))
        with self.session() as session:
            row = datasets.find_dataset(session, name)
            folders = datasets.folders_of(session, row)
            datasets.delete_dataset(session, row.id)
        self._datasets.pop((row.id, row.content_hash), None)
        try:
            for folder in folders:
                self.remove(folder)
        except WorkspaceError as error:
            raise WorkspaceError(f"Dataset {name!r} is deleted, but some of its files are left. {error}") from error


def _write_arrays(folder: Path, dataset: Dataset) -> None:
    sequences = dataset.sequences
    user_ids, user_id_offsets = artifacts.pack_strings(dataset.user_ids)
    artifacts.save_arrays(
        folder / "sequences.safetensors",
        {
            "items": sequences.items,
            "offsets": sequences.offsets,
            "user_ids": user_ids,
            "user_id_offsets": user_id_offsets,
        },
    )
    negatives = draw_negatives(sequences, dataset.split.users, dataset.n_items)
    artifacts.save_arrays(folder / "negatives.safetensors", {"negatives": negatives})
    for name in _SIDE_TABLES:
        table = getattr(dataset, name)
        if table is not None:
            artifacts.save_table(folder / f"{name}.parquet", table)


def content_hash(dataset: Dataset) -> str:
    """sha256 over item ids, attributes (in order) and sequences: what archetypes and runs depend on."""
    digest = hashlib.sha256()
    items = [dataset.items["item_id"].tolist(), dataset.items["attributes"].tolist()]
    digest.update(json.dumps(items).encode())
    digest.update(np.ascontiguousarray(dataset.sequences.items, dtype="<i4").tobytes())
    digest.update(np.ascontiguousarray(dataset.sequences.offsets, dtype="<i8").tobytes())
    return digest.hexdigest()
