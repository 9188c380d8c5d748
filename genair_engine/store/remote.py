"""Artifacts of a workspace that is a URL: what is there is the truth, and a local folder is a cache of it.

Every file system that fsspec knows will do; `s3://bucket/prefix` is what the tests run against. Beside a file is noted what
it was when both sides were last equal: its size and time here, and the remote's version of it. It is fetched when either is
something else now, and published when it has changed here or is missing there. Most artifacts never change once they have a
name; those that do (a run's checkpoint, its ranks) are written by one machine at a time, because a job has one worker.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from genair_engine.errors import GenairError, OutageError, WorkspaceError
from genair_engine.store import artifacts

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "oss", "tos"})
"""Protocols on which an upload is seen when it is complete, never half of it; elsewhere it is written aside and renamed."""
TRANSFERS = 8
"""Files on their way at once."""
_VERSION_KEYS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "modified", "updated", "mtime", "created")
"""What file systems call the version of a file, best first."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

T = TypeVar("T")


class Remote:
    """The artifacts at `url`, of which the local folder is a cache.

    A path is relative to both, and names a file or a folder of files. Every method raises WorkspaceError, with the URL and
    what to do, where the remote cannot be used: an OutageError where the same may work later. Nothing is connected to before
    it is needed.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def fetch(self, relative: str) -> bool:
        """Makes the remote files of that path the local ones, each of them whole; False where the remote has none.

        Local files that the remote does not have stay.
        """
        listing = self._listing(relative)
        self._each(lambda name: self._download(name, listing[name]), listing)
        return bool(listing)

    def publish(self, relative: str) -> None:
        """Makes the local files of that path the remote ones; returns when they are there."""
        there = self._listing(relative)
        local = {name: _state(self.folder / name) for name in self._local(relative)}
        changed = [name for name, state in local.items() if name not in there or self._noted(name)[0] != state]
        if not changed:
            return
        self._each(self._upload, changed)
        there = self._listing(relative)
        for name in changed:
            if name in there:
                self._note(name, local[name], _version(there[name]))

    def delete(self, relative: str) -> None:
        """Removes the remote files of that path; does nothing where there are none."""
        with self._speaking(relative):
            self._files.invalidate_cache()
            if self._files.exists(self._at(relative)):
                self._files.rm(self._at(relative), recursive=True)
        _note_of(self.folder / relative).unlink(missing_ok=True)

    def check(self) -> None:
        """Raises WorkspaceError where the remote cannot be listed."""
        self._listing("datasets")

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the root on it; its options are fsspec's configuration and the URL."""
        import fsspec  # type: ignore[import-untyped]

        protocol = self._protocol
        try:
            return fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            s3 = protocol in ("s3", "s3a")
            advice = "`.venv/bin/pip install -r requirements-s3.txt` does it." if s3 else "Install it into .venv."
            raise WorkspaceError(
                f"GENAIR_WORKSPACE is {self.url}, which needs a package that is not installed ({error}). {advice}"
            ) from error
        except Exception as error:
            raise WorkspaceError(
                f"GENAIR_WORKSPACE is {self.url}, which cannot be opened ({_reason(error)}). Is {protocol!r} a protocol of "
                f"fsspec, and its configuration (FSSPEC_{protocol.upper()}) right?"
            ) from error

    @property
    def _files(self) -> Any:
        return self._opened[0]

    @property
    def _protocol(self) -> str:
        return self.url.split("://", 1)[0].lower()

    def _at(self, relative: str) -> str:
        return f"{self._opened[1].rstrip('/')}/{relative}"

    def _listing(self, relative: str) -> dict[str, Mapping[str, Any]]:
        """What the remote says of the files of that path, by their paths."""
        root = self._at("")
        with self._speaking(relative):
            self._files.invalidate_cache()
            files = self._files.find(self._at(relative), detail=True)
            infos = {name.removeprefix(root): info or self._files.info(name) for name, info in files.items()}
        return {name: info for name, info in infos.items() if info["type"] == "file" and _is_artifact(name)}

    def _local(self, relative: str) -> Iterator[str]:
        path = self.folder / relative
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            name = file.relative_to(self.folder).as_posix()
            if file.is_file() and _is_artifact(name):
                yield name

    def _each(self, work: Callable[[str], None], names: Any) -> None:
        """Several at once where the file system says that it can."""
        with ThreadPoolExecutor(TRANSFERS if self._files.async_impl else 1) as pool:
            list(pool.map(work, names))

    def _download(self, name: str, info: Mapping[str, Any]) -> None:
        path, version = self.folder / name, _version(info)
        if self._noted(name) == (_state(path), version):
            return
        artifacts.make_folder(path.parent)
        with artifacts.replacing(path) as temporary, self._speaking(name):
            self._files.get_file(self._at(name), str(temporary))
            if temporary.stat().st_size != info["size"]:
                raise OutageError(f"{self.url}/{name} did not arrive whole, or has just been replaced: try again.")
        self._note(name, _state(path), version)

    def _upload(self, name: str) -> None:
        path, target = str(self.folder / name), self._at(name)
        with self._speaking(name):
            if self._protocol in OBJECT_STORES:
                self._files.put_file(path, target)
                return
            parent, _, last = target.rpartition("/")
            aside = f"{parent}/.building-{last}-{secrets.token_hex(4)}"
            self._files.makedirs(parent, exist_ok=True)
            self._files.put_file(path, aside)
            self._files.mv(aside, target)

    def _noted(self, name: str) -> tuple[str, str]:
        """State here and version there of when both were equal; empty where they never were."""
        try:
            state, version = _note_of(self.folder / name).read_text().splitlines()
        except (FileNotFoundError, ValueError):
            return "", ""
        return state, version

    def _note(self, name: str, state: str, version: str) -> None:
        with artifacts.replacing(_note_of(self.folder / name)) as temporary:
            temporary.write_text(f"{state}\n{version}\n")

    @contextmanager
    def _speaking(self, relative: str) -> Iterator[None]:
        """Every protocol's package has errors of its own; whatever they are, a WorkspaceError comes of them."""
        try:
            yield
        except GenairError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise  # this machine's disk
            raise _readable(f"{self.url}/{relative} cannot be used: {_reason(error)}.", error) from error


def _is_artifact(name: str) -> bool:
    """Not a file under way, a note of what was seen or a lock; and nothing that leads out of the folder."""
    parts = name.split("/")
    return not any(part.startswith(".") or not part for part in parts) and parts[-1] != artifacts.LOCK


def _state(path: Path) -> str:
    """Size and time of a local file; empty where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _version(info: Mapping[str, Any]) -> str:
    """Size and version of a remote file."""
    return f"{info['size']} {next((info[name] for name in _VERSION_KEYS if info.get(name)), '')}"


def _note_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.remote")


def _reason(error: Exception) -> str:
    first = (str(error).strip() or "no reason given").splitlines()[0].rstrip(".")
    return f"{type(error).__name__}: {first}"


def _readable(what: str, error: Exception) -> WorkspaceError:
    """What an administrator must mend is a WorkspaceError; whatever else may pass by itself."""
    if "Credential" in type(error).__name__ or isinstance(error, PermissionError):
        advice = "Give this process credentials that may read and write there (S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)."
        return WorkspaceError(f"{what} {advice}")
    if isinstance(error, FileNotFoundError):
        return WorkspaceError(f"{what} Is the bucket or folder in GENAIR_WORKSPACE right, and does it exist?")
    return OutageError(f"{what} Is the server running and reachable, and is GENAIR_WORKSPACE right?")
