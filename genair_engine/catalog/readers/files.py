"""Source files: read in blocks and checked as they are read, so that no file has to fit into memory.

A reader rejects single records and goes on (a `Rejection` names file, line and reason); it stops with an InputError where
the file as a whole cannot be used: missing, empty, not UTF-8, a column that is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genair_engine.errors import InputError

BLOCK = 1 << 20
"""Bytes read at once; what is worked out from a block takes some ten times as many."""

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


class SourceFile:
    """A file of a data set. sha256 and size are those of the file on disk, known once it was read to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.sha256 = ""
        self.size = 0

    def error(self, message: str, line: int | None = None) -> InputError:
        """An InputError that names this file (and line)."""
        return InputError(f"{self.name}{'' if line is None else f', line {line}'}: {message}")

    @property
    def empty(self) -> InputError:
        return self.error("the file is empty; export it again.")

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, block by block. Raises InputError where it is missing, cannot be read, or has none."""
        digest, size = hashlib.sha256(), 0
        try:
            with self.path.open("rb") as stream:
                while block := stream.read(BLOCK):
                    digest.update(block)
                    size += len(block)
                    yield block
        except FileNotFoundError:
            raise InputError(f"{self.name}: there is no such file in {self.path.parent}.") from None
        except OSError as error:
            raise self.error(f"cannot be read ({error.strerror}); check the path and its permissions.") from None
        if not size:
            raise self.empty
        self.sha256, self.size = digest.hexdigest(), size

    def line_blocks(self) -> Iterator[bytes]:
        """Its text in blocks of whole lines, at least one, without a byte order mark; the first holds more than space.

        Raises InputError like `blocks`, for nothing but space, for bytes that are not UTF-8, and for NUL.
        """
        return self._text_blocks(lambda data: data.rfind(b"\n") + 1)

    def text_blocks(self) -> Iterator[str]:
        """Its text in blocks that end anywhere, also within a line; otherwise like `line_blocks`."""
        return (block.decode() for block in self._text_blocks(_whole_characters))

    def text(self) -> str:
        """All of a small text file. Raises InputError like `line_blocks`."""
        return b"".join(self.line_blocks()).decode()

    def _text_blocks(self, cut: Callable[[bytes], int]) -> Iterator[bytes]:
        """cut: how much of the bytes at hand makes a block; the rest waits for what follows."""
        data, line, is_first = b"", 1, True
        for number, block in enumerate(self.blocks()):
            data += block if number else block.removeprefix(_UTF8_MARK)
            end = cut(data)
            if not end or (is_first and not data[:end].strip()):
                continue
            yield self._checked(data[:end], line)
            line += data.count(b"\n", 0, end)
            data, is_first = data[end:], False
        if is_first and not data.strip():
            raise self.empty
        if data:
            yield self._checked(data, line)

    def _checked(self, data: bytes, line: int) -> bytes:
        """The bytes, where they are text; line: the line that they begin in."""
        try:
            data.decode()
        except UnicodeDecodeError as error:
            message = f"byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as UTF-8 and import it again."
            raise self.error(message, line + data.count(b"\n", 0, error.start)) from None
        if b"\0" in data:
            raise self.error("it holds a NUL byte, so it is no text file.", line + data.count(b"\n", 0, data.index(b"\0")))
        return data


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


def named_files(path: Path, suffixes: Sequence[str], format: str, expected: str) -> dict[str, Path]:
    """Suffix → the file NAME + suffix, there or not, of the one NAME that `path` (a folder, or one of the files) stands for.

    format, expected: what the error says. Raises InputError where no such file, or files of several NAMEs are there.
    """
    located = find_stem(path, suffixes)
    if located is None:
        raise InputError(f"{path.name}: no {format} here; expected {expected}.")
    folder, stem = located
    return {suffix: folder / (stem + suffix) for suffix in suffixes}


def shorten(record: str) -> str:
    """A record as a rejection shows it."""
    return record[:MAX_RECORD_CHARACTERS]


def _whole_characters(data: bytes) -> int:
    """How many of the bytes are whole UTF-8 characters, where a last one is cut; all of them, where they are no UTF-8."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:  # begins a character of 2, 3 or 4 bytes
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if length > back else len(data)
    return len(data)
