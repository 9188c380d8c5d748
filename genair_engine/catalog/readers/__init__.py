"""Readers: source files in one of the known formats to a Dataset, with a report of what was left out.

`read_dataset` is the way in, `preview_dataset` shows beforehand what would be taken for what. A format is a file of this
folder with a `READER`; to add one, write the file and name it in `FILES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from genair_engine.catalog.readers.base import Detection, PreviewTable, Reader, ReaderOptions
from genair_engine.catalog.readers.files import Rejection
from genair_engine.errors import InputError

if TYPE_CHECKING:
    from genair_engine.catalog.readers.assemble import ReadResult

__all__ = [
    "READERS",
    "PreviewTable",
    "Reader",
    "ReaderOptions",
    "Rejection",
    "choose_reader",
    "preview_dataset",
    "read_dataset",
    "reader_options",
]

FILES = (
    "lcrec",
    "recbole",
    "tables",
)
"""The files of this folder that hold a reader, a line each."""


def _load(file: str) -> Reader[Any]:
    reader = import_module(f"{__name__}.{file}").READER
    if not isinstance(reader, Reader):
        raise TypeError(f"READER of {file}.py is a {type(reader).__name__}, not a Reader.")
    return reader


READERS: dict[str, Reader[Any]] = {reader.name: reader for reader in map(_load, FILES)}
"""By the name of their format."""


def read_dataset(path: Path, name: str, format: str = "auto", options: Mapping[str, object] | None = None) -> ReadResult:
    """Reads the dataset at `path`, a folder or one of its files, under the given `name`.

    format: "auto" or a key of READERS. options: of that reader's `Options`, by name.
    Raises InputError where nothing usable is there; single bad records are rejected and reported instead.
    """
    path = Path(path)
    reader, _ = choose_reader(path, format)
    return reader.read(path, name, reader_options(reader, options or {}))


def preview_dataset(
    path: Path, format: str = "auto", options: Mapping[str, object] | None = None
) -> tuple[str, str, list[PreviewTable]]:
    """The format that is taken, why, and the first rows of every table with what its columns are taken for.

    As `read_dataset`. Raises InputError.
    """
    path = Path(path)
    reader, reason = choose_reader(path, format)
    return reader.name, reason, reader.preview(path, reader_options(reader, options or {}))


def choose_reader(path: Path, format: str = "auto") -> tuple[Reader[Any], str]:
    """The reader of a format, or for "auto" the one that is surest of the files at `path`; and why it is taken.

    Raises InputError, with what is there, for a path that is not there, and where no reader or no single one takes it.
    """
    try:
        exists = path.exists()
    except (OSError, ValueError):  # no file name at all: too long, or with a NUL
        exists = False
    if not exists:
        raise InputError(f"{path} does not exist; give the folder of a dataset or one of its files.")
    if format == "auto":
        return _detected(path)
    if format not in READERS:
        raise InputError(f"There is no format {format!r}; known: auto, {', '.join(READERS)}.")
    return READERS[format], "asked for"


def reader_options(reader: Reader[Any], given: Mapping[str, object]) -> ReaderOptions:
    """A reader's options from what was given. Raises InputError where it has no such option, or not with such a value."""
    known = reader.Options.model_fields
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        has = f"its options are {', '.join(known)}" if known else "it has no options"
        raise InputError(f"The reader {reader.name!r} ({reader.reads}) has no option {unknown!r}: {has}.")
    try:
        return reader.Options(**given)
    except ValidationError as error:
        first = error.errors()[0]
        problem = str(first.get("ctx", {}).get("error", first["msg"]))
        raise InputError(f"{'.'.join(map(str, first['loc']))} (option of the reader {reader.name!r}): {problem}.") from None


def _detected(path: Path) -> tuple[Reader[Any], str]:
    detections: dict[str, Detection] = {}
    errors: dict[str, Exception] = {}
    for name, reader in READERS.items():
        try:
            detections[name] = reader.detect(path)
        except Exception as error:  # of one reader: the others may know the files
            errors[name] = error
    surest = max((detection.confidence for detection in detections.values()), default=0)
    names = [name for name, detection in detections.items() if detection.confidence == surest > 0]
    if len(names) == 1:
        return READERS[names[0]], detections[names[0]].reason
    try:
        files = sorted(file.name for file in path.iterdir()) if path.is_dir() else [path.name]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None
    there = ", ".join(files[:10]) + (", …" if len(files) > 10 else "") or "nothing"
    if names:
        raise InputError(
            f"{path}: files of several formats ({', '.join(names)}); found {there}. "
            "Name the format, or give the path of one file."
        )
    failed = "".join(f" {name} could not tell: {error}" for name, error in errors.items())
    expected = "; ".join(f"{name}: {reader.reads}" for name, reader in READERS.items())
    raise InputError(f"{path}: no known format; found {there}. Expected {expected}.{failed}")
