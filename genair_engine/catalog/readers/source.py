"""What readers start from and end with: source files, tables of text whose rows know where they stood, rejections.

A reader rejects single records and goes on (each rejection names file, line and reason); it stops with an InputError
where the file as a whole cannot be used: missing, empty, not UTF-8, a column that is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.types import BoolArray

Row = dict[str, str]

MAX_RECORD_CHARACTERS = 200
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Rejection:
    """A record that was left out of the dataset.

    file: its name. line: 1-based, None where the format has no lines (Parquet).
    record: its text, cut to 200 characters.
    """

    file: str
    line: int | None
    reason: str
    record: str


@dataclass(frozen=True)
class ReadResult:
    """What a reader made of a source: the dataset, and every record that it left out, by file and line."""

    dataset: Dataset
    rejected: list[Rejection]


@dataclass(frozen=True)
class SourceFile:
    """A file's content, valid UTF-8, without a byte order mark; sha256 and size are those of the file on disk."""

    name: str
    data: bytes
    sha256: str
    size: int

    @property
    def text(self) -> str:
        return self.data.decode()

    def line_at(self, position: int) -> int:
        """The 1-based line that holds byte `position`."""
        return self.data.count(b"\n", 0, position) + 1

    def error(self, message: str, line: int | None = None) -> InputError:
        """An InputError that names this file (and line)."""
        return InputError(f"{self.name}{'' if line is None else f', line {line}'}: {message}")


def fingerprint(file: SourceFile) -> dict[str, object]:
    """The file's entry in a dataset's provenance."""
    return {"sha256": file.sha256, "bytes": file.size}


def read_bytes(path: Path) -> SourceFile:
    """The file at `path` as it is. Raises InputError where it is missing, unreadable or empty."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path.name}: there is no such file in {path.parent}.") from None
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror}); check the path and its permissions.") from None
    if not data.strip():
        raise InputError(f"{path.name}: the file is empty; export it again.")
    return SourceFile(path.name, data, hashlib.sha256(data).hexdigest(), len(data))


def read_text(path: Path) -> SourceFile:
    """The text file at `path`. Raises InputError like `read_bytes`, and for bytes that are not UTF-8."""
    raw = read_bytes(path)
    try:
        raw.data.decode()
    except UnicodeDecodeError as error:
        message = f"byte 0x{raw.data[error.start]:02x} is not UTF-8 text; save the file as UTF-8 and import it again."
        raise raw.error(message, raw.line_at(error.start)) from None
    file = SourceFile(raw.name, raw.data.removeprefix(_UTF8_MARK), raw.sha256, raw.size)
    if not file.data.strip():
        raise file.error("the file is empty; export it again.")
    if b"\0" in file.data:
        raise file.error("it holds a NUL byte, so it is no text file.", file.line_at(file.data.index(b"\0")))
    return file


def find_stem(path: Path, suffixes: Sequence[str]) -> tuple[Path, str] | None:
    """Folder and NAME of the files NAME + suffix that `path` (a folder, or one of these files) stands for, or None.

    Raises InputError where a folder holds several such names.
    """
    names = sorted(file.name for file in path.iterdir() if file.is_file()) if path.is_dir() else [path.name]
    stems = {name.removesuffix(suffix) for name in names for suffix in suffixes if name.endswith(suffix)}
    if len(stems) > 1:
        raise InputError(
            f"{path.name}: holds several datasets ({', '.join(sorted(stems))}); give the path of one of their files."
        )
    folder = path if path.is_dir() else path.parent
    return (folder, stems.pop()) if stems else None


@dataclass(frozen=True)
class Table:
    """Rows of text: the index of `rows` is the line (or row) that each row came from.

    has_lines: whether that number is a line of a text file; otherwise it is a row number, told in the reason.
    """

    file: str
    rows: pd.DataFrame
    has_lines: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> pd.Series[str]:
        return self.rows[name]

    def require(self, *names: str) -> None:
        """Raises InputError, naming the columns that exist, where one of `names` is not a column."""
        missing = [name for name in names if name not in self.rows.columns]
        if missing:
            raise InputError(
                f"{self.file}: column {missing[0]!r} is missing; its columns are {', '.join(map(str, self.rows.columns))}."
            )

    def without(self, bad: BoolArray, reason: str | Callable[[Row], str], rejected: list[Rejection]) -> Table:
        """The table without its `bad` rows ([n_rows] bool), each of which is added to `rejected` with `reason`."""
        if not bad.any():
            return self
        for number, row in zip(self.rows.index[bad], self.rows[bad].to_dict("records"), strict=True):
            values: Row = {str(key): str(value) for key, value in row.items()}
            text = reason if isinstance(reason, str) else reason(values)
            line = int(number) if self.has_lines else None
            text = text if self.has_lines else f"row {number}: {text}"
            rejected.append(Rejection(self.file, line, text, shorten(" | ".join(values.values()))))
        return Table(self.file, self.rows[~bad], self.has_lines)


def shorten(record: str) -> str:
    """A record as a rejection shows it."""
    return record[:MAX_RECORD_CHARACTERS]
