"""Delimited text (CSV, RecBole's atomic files) to tables whose rows know their line; malformed lines are set aside.

Lines without a quote are cut by array operations on the file's bytes, so that a log of millions of lines needs no
Python loop. Records with a quote go through the csv module, one by one: a quoted field may span lines (RFC 4180). A
quote that never closes costs its own line only, not the rest of the file. Empty lines are skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from genair_engine.catalog.readers.source import Rejection, SourceFile, Table, shorten
from genair_engine.types import BoolArray, ByteArray, IntArray


@dataclass(frozen=True)
class _Lines:
    """Where the lines of a file begin and end (without line break), by 0-based line number."""

    file: SourceFile
    data: ByteArray
    starts: IntArray
    ends: IntArray

    @classmethod
    def of(cls, file: SourceFile) -> _Lines:
        data = np.frombuffer(file.data, dtype=np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        if data[-1] != ord("\n"):
            ends = np.append(ends, len(data))
        starts = np.concatenate([[0], ends[:-1] + 1])
        carriage_return = (ends > starts) & (data[ends - 1] == ord("\r"))
        return cls(file, data, starts, ends - carriage_return)

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, line: int) -> str:
        return self.file.data[self.starts.item(line) : self.ends.item(line)].decode()

    def count(self, positions: IntArray) -> IntArray:
        """[n_lines]: how many of the ascending byte `positions` lie in each line."""
        return np.searchsorted(positions, self.ends) - np.searchsorted(positions, self.starts)


def header(file: SourceFile, delimiter: str, quoting: bool) -> list[str]:
    """The fields of the first line, trimmed. Raises InputError where one is empty, or two are the same."""
    line = file.data.split(b"\n", 1)[0].decode().rstrip("\r")
    try:
        fields = next(csv.reader([line], delimiter=delimiter)) if quoting else line.split(delimiter)
    except csv.Error as error:
        raise file.error(f"the header cannot be read ({error}); the first line must name every column.", 1) from None
    names = [name.strip() for name in fields] or [""]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not all(names) or twice is not None:
        problem = f"column {twice!r} is there twice" if twice else "a column has no name"
        raise file.error(f"{problem}; the first line must name every column once.", line=1)
    return names


def read_delimited(file: SourceFile, names: list[str], delimiter: str, quoting: bool, rejected: list[Rejection]) -> Table:
    """The lines below the header as a table with columns `names`, values trimmed.

    Lines with another number of fields, or with broken quoting, are added to `rejected`.
    """
    lines = _Lines.of(file)
    cuts = np.flatnonzero(lines.data == ord(delimiter))
    plain = lines.ends > lines.starts
    plain[0] = False

    records: dict[int, list[str]] = {}
    if quoting:
        quoted = lines.count(np.flatnonzero(lines.data == ord('"'))) > 0
        quoted[0] = False
        records = _quoted_records(lines, quoted, plain, len(names), delimiter, rejected)

    found = lines.count(cuts) + 1
    for line in np.flatnonzero(plain & (found != len(names))):
        rejected.append(_malformed(lines, int(line), f"expected {len(names)} fields, found {found[line]}"))
    good = np.flatnonzero(plain & (found == len(names)))

    numbers = np.concatenate([good, np.fromiter(records, dtype=np.int64, count=len(records))])
    order = np.argsort(numbers)
    columns = [
        pc.utf8_trim_whitespace(pa.concat_arrays([cut, pa.array(extra, pa.large_string())]).take(order))
        for cut, extra in zip(
            _cut(lines, good, cuts, len(names)),
            zip(*records.values(), strict=True) if records else [()] * len(names),
            strict=True,
        )
    ]
    rows: pd.DataFrame = pa.Table.from_arrays(columns, names=names).to_pandas()
    rows.index = pd.Index(numbers[order] + 1)
    return Table(file.name, rows)


def _malformed(lines: _Lines, line: int, problem: str) -> Rejection:
    return Rejection(lines.file.name, line + 1, f"malformed line: {problem}", shorten(lines.text(line)))


def _cut(lines: _Lines, good: IntArray, cuts: IntArray, width: int) -> Iterator[pa.Array]:
    """The `width` columns of the `good` lines, cut at the delimiters (`cuts`: all their byte positions)."""
    first = np.searchsorted(cuts, lines.starts[good])
    inner = cuts[first[:, None] + np.arange(width - 1)]
    begins = np.column_stack([lines.starts[good], inner + 1])
    ends = np.column_stack([inner, lines.ends[good]])
    for column in range(width):
        lengths = ends[:, column] - begins[:, column]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(begins[:, column] - offsets[:-1], lengths)
        yield pa.LargeStringArray.from_buffers(len(good), pa.py_buffer(offsets), pa.py_buffer(lines.data[index]))


def _quoted_records(
    lines: _Lines,
    quoted: BoolArray,
    plain: BoolArray,
    width: int,
    delimiter: str,
    rejected: list[Rejection],
) -> dict[int, list[str]]:
    """Fields of every record that begins on a `quoted` line, by that line; its lines are struck from `plain`."""
    records: dict[int, list[str]] = {}
    cursor = _Cursor(lines)
    reader = csv.reader(cursor, delimiter=delimiter, strict=True)
    for line in np.flatnonzero(quoted).tolist():
        if line < cursor.line:
            continue
        cursor.line = line
        fields: list[str] = []
        try:
            fields = next(reader)
        except csv.Error as error:
            problem = f"broken quoting ({error})"
        else:
            problem = "" if len(fields) == width else f"expected {width} fields, found {len(fields)}"
        if problem:
            # A wrong record of many lines is more likely one stray quote than so many bad lines: go on after it.
            cursor.line = line + 1
            rejected.append(_malformed(lines, line, problem))
        else:
            records[line] = fields
        plain[line : cursor.line] = False
    return records


class _Cursor:
    """Feeds lines to a csv reader, from `line` on; it can be set to another line between two records."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self.line = 0

    def __iter__(self) -> _Cursor:
        return self

    def __next__(self) -> str:
        if self.line >= len(self._lines):
            raise StopIteration
        self.line += 1
        return self._lines.text(self.line - 1) + "\n"
