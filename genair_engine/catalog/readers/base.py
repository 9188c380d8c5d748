"""What a reader is: it tells whether files are in its format, and what tables they hold with what each column is taken for.

The rest is the same for all readers and follows from these tables: `preview` shows their first rows, `read` makes the
Dataset of them. So a preview cannot differ from what is then read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from genair_engine.catalog.readers.files import find_stem
from genair_engine.catalog.readers.meanings import Meaning
from genair_engine.catalog.readers.source import Holds, Source, SourceTable
from genair_engine.catalog.readers.text_table import TextTable

if TYPE_CHECKING:
    from genair_engine.catalog.readers.assemble import ReadResult

PREVIEW_ROWS = 5


class ReaderOptions(BaseModel):
    """Base of all readers' options, every field with a description: they become options of `import` and `preview`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Detection:
    """How sure a reader is that files are in its format, 0 (they are not) … 1, and why, in words."""

    confidence: float
    reason: str


@dataclass(frozen=True)
class PreviewTable:
    """The first rows of a table. columns: column → what it is taken for. rows: column → value, as text."""

    file: str
    holds: Holds
    columns: dict[str, Meaning]
    rows: list[dict[str, str]]


Given = TypeVar("Given", bound=ReaderOptions)


class Reader(ABC, Generic[Given]):
    """A format of data sets.

    name: as `--format` takes it. reads: its files, in words. example: a smallest data set of it (file name → text), which the
    contract tests read.
    """

    name: ClassVar[str]
    reads: ClassVar[str]
    example: ClassVar[Mapping[str, str]]
    Options: ClassVar[type[ReaderOptions]] = ReaderOptions

    @abstractmethod
    def detect(self, path: Path) -> Detection:
        """Whether `path`, a folder or a file, is in this format; told from names, or at most a file's first bytes."""

    @abstractmethod
    def open(self, path: Path, options: Given) -> Source:
        """The tables that `path` stands for; reads no more than headers. Raises InputError where one is missing."""

    def preview(self, path: Path, options: Given) -> list[PreviewTable]:
        """The first rows of every table, and what its columns are taken for. Raises InputError."""
        return [_preview(table) for table in self.open(path, options).tables]

    def read(self, path: Path, name: str, options: Given) -> ReadResult:
        """The data set of that name. Files are read a block at a time: of a log's text no more is ever in memory.

        Raises InputError where nothing usable is found; single bad records are rejected and reported instead.
        """
        from genair_engine.catalog.readers.assemble import assemble  # pandas, which nobody else waits for

        return assemble(self.open(path, options), name, self.name)


def detect_by_suffix(path: Path, suffixes: Sequence[str]) -> Detection:
    """`Reader.detect` of a format whose files are named NAME + suffix. Raises InputError where there are several NAMEs."""
    stem = find_stem(path, suffixes)
    if stem is None:
        return Detection(0, f"no file ends in {' or '.join(suffixes)}")
    names = [stem[1] + suffix for suffix in suffixes if (stem[0] / (stem[1] + suffix)).is_file()]
    return Detection(1, f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} there")


def _preview(table: SourceTable) -> PreviewTable:
    first: TextTable | None = None
    for piece in table.pieces([]):
        first = piece
        if len(piece):
            break
    if first is None:
        return PreviewTable(table.file.name, table.holds, {}, [])
    meanings = table.meanings(first.columns)
    rows = [{str(key): str(value) for key, value in row.items()} for row in first.rows[:PREVIEW_ROWS].to_dict("records")]
    columns: dict[str, Meaning] = {column: meanings.get(column, "not used") for column in first.columns}
    return PreviewTable(table.file.name, table.holds, columns, rows)
