"""Readers: source files in one of the known formats to a Dataset, with a report of what was left out.

`read_dataset` is the way in. A format is a module with `detect(path)`, `read(path, name)` and `EXPECTS` (its files,
for messages); to add one, write the module and name it in FORMATS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from genair_engine.catalog.readers import lcrec, recbole, tables
from genair_engine.catalog.readers.source import ReadResult, Rejection
from genair_engine.catalog.readers.tables import ColumnMapping
from genair_engine.errors import InputError

__all__ = ["FORMATS", "ColumnMapping", "ReadResult", "Rejection", "detect_format", "read_dataset"]


class Reader(Protocol):
    """What a format's module offers. detect looks at names only; read raises InputError."""

    EXPECTS: str

    def detect(self, path: Path) -> bool: ...

    def read(self, path: Path, name: str) -> ReadResult: ...


FORMATS: dict[str, Reader] = {"lcrec": lcrec, "recbole": recbole, "tables": tables}


def read_dataset(path: Path, name: str, format: str = "auto", mapping: ColumnMapping | None = None) -> ReadResult:
    """Reads the dataset at `path`, a folder or one of its files, under the given `name`.

    format: "auto" or a key of FORMATS. mapping: which column means what; for tables only.
    Raises InputError where nothing usable is found; single bad records are rejected and reported instead.
    """
    path = Path(path)
    try:
        exists = path.exists()
    except (OSError, ValueError):  # no file name at all: too long, or with a NUL
        exists = False
    if not exists:
        raise InputError(f"{path} does not exist; give the folder of a dataset or one of its files.")
    if format != "auto" and format not in FORMATS:
        raise InputError(f"There is no format {format!r}; known: auto, {', '.join(FORMATS)}.")
    chosen = detect_format(path) if format == "auto" else format
    if mapping is None:
        return FORMATS[chosen].read(path, name)
    if chosen != "tables":
        raise InputError(f"A column mapping is for CSV and Parquet tables; {path.name} is in the format {chosen!r}.")
    return tables.read(path, name, mapping)


def detect_format(path: Path) -> str:
    """The one format whose files are at `path`. Raises InputError, with what was found, for none or several."""
    formats = [name for name, reader in FORMATS.items() if reader.detect(path)]
    if len(formats) == 1:
        return formats[0]
    names = sorted(file.name for file in path.iterdir()) if path.is_dir() else [path.name]
    found = ", ".join(names[:10]) + (", …" if len(names) > 10 else "") or "nothing"
    if formats:
        raise InputError(
            f"{path}: files of several formats ({', '.join(formats)}); found {found}. "
            "Name the format, or give the path of one file."
        )
    expected = "; ".join(f"{name}: {reader.EXPECTS}" for name, reader in FORMATS.items())
    raise InputError(f"{path}: no known format; found {found}. Expected {expected}.")
