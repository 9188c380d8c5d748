"""Arrays, tables and JSON on disk: safetensors, Parquet and plain JSON, none of which can run code when loaded.

Every file is written beside its place and renamed when it is complete, and so is every folder of files (`building`):
what has an artifact's name is an artifact. Whatever cannot be read or written is a WorkspaceError that names it.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from genair_engine.errors import WorkspaceError

Array = npt.NDArray[Any]

_TEMPORARY = ".building-"
LOCK = "lock"
"""The file in a folder that `locked` locks; not an artifact."""


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its name when the block ends, or vanishes when the block fails."""
    temporary = _beside(folder)
    with _writing(folder):
        temporary.mkdir(parents=True)
    try:
        yield temporary
        with _writing(folder):
            temporary.rename(folder)
            _sync(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove(path: Path) -> None:
    """Removes an artifact or a folder of them, in one step for everyone who looks for it; does nothing where there is none."""
    with _writing(path):
        if path.is_dir():
            temporary = path.rename(_beside(path))
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder, with those above it, where it is missing."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Whether this process got the lock of a folder that is worked on; let go with the block, or with the process.

    Where the workspace is a URL the folder is this machine's cache, and the lock keeps out processes of this machine only:
    that no two machines do the same work is the business of a job's lease in the database.
    """
    make_folder(folder)
    with _writing(folder):
        file = (folder / LOCK).open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def save_arrays(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> None:
    """Writes named arrays (any shape, numeric dtype) and a few strings about them as safetensors, atomically."""
    with replacing(path) as temporary:
        ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        save_file(ordered, temporary, metadata=dict(metadata or {}))


def load_arrays(path: Path) -> dict[str, Array]:
    """The arrays of a safetensors artifact by name."""
    with _reading(path), safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def load_metadata(path: Path) -> dict[str, str]:
    """The strings that were saved with the arrays."""
    with _reading(path), safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def pack_strings(values: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Strings as one UTF-8 buffer and [n + 1] offsets in bytes, so that they travel with arrays."""
    encoded = [value.encode() for value in values]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in encoded], dtype=np.int64)]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def unpack_strings(buffer: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> list[str]:
    """The strings that `pack_strings` packed."""
    data, ends = buffer.tobytes(), offsets.tolist()
    return [data[start:end].decode() for start, end in itertools.pairwise(ends)]


def save_json(path: Path, value: object) -> None:
    """Writes a JSON value, atomically. Raises ValueError on NaN and infinity, which JSON does not have."""
    data = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2).encode()
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def load_json(path: Path) -> Any:
    """The value of a JSON artifact."""
    with _reading(path):
        return json.loads(path.read_bytes())


def save_table(path: Path, table: pd.DataFrame) -> None:
    """Writes a table as Parquet, atomically."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


def load_table(path: Path) -> pd.DataFrame:
    """The table of a Parquet artifact."""
    with _reading(path):
        return pd.read_parquet(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends, or vanishes when the block fails."""
    with _writing(path):
        temporary = _beside(path)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:  # safetensors' own error is none of the system's, also for a full disk
        reason = getattr(error, "strerror", None) or error
        raise WorkspaceError(f"Cannot write {path}: {reason}. Is the folder writable and the disk not full?") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Parquet's and JSON's errors are ValueErrors (pyarrow.ArrowInvalid, JSONDecodeError, UnicodeDecodeError)."""
    try:
        yield
    except FileNotFoundError:
        raise WorkspaceError(f"The artifact {path} is missing. Delete what it belongs to and make it anew.") from None
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise WorkspaceError(
            f"The artifact {path} cannot be read ({error}). Delete what it belongs to and make it anew."
        ) from error


def _beside(path: Path) -> Path:
    return path.with_name(f"{_TEMPORARY}{path.name}-{secrets.token_hex(4)}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
