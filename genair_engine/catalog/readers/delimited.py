"""Delimited text (CSV, RecBole's atomic files) to tables whose rows know their line; malformed lines are set aside.

A file is read in blocks. Lines without a quote are cut by array operations on a block's bytes, so that a log of
millions of lines needs no Python loop. Records with a quote go through the csv module, one by one: a quoted field may
span lines (RFC 4180). A quote that never closes costs its own line only, not the rest of the file. Empty lines are
skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from genair_engine.catalog.readers.files import Rejection, SourceFile, shorten
from genair_engine.catalog.readers.text_table import TextTable
from genair_engine.types import BoolArray, ByteArray, IntArray


@dataclass(frozen=True)
class _Lines:
    """Where the lines of a block begin and end (without line break), by their place in the block.

    first: the 1-based line of the file that the block begins with.
    """

    file: SourceFile
    first: int
    block: bytes
    data: ByteArray
    starts: IntArray
    ends: IntArray

    @classmethod
    def of(cls, file: SourceFile, first: int, block: bytes) -> _Lines:
        data = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        if not block.endswith(b"\n") and block:
            ends = np.append(ends, len(data))
        starts = np.concatenate([[0], ends + 1])[: len(ends)]
        carriage_return = (ends > starts) & (data[ends - 1] == ord("\r"))
        return cls(file, first, block, data, starts, ends - carriage_return)

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, line: int) -> str:
        return self.block[self.starts.item(line) : self.ends.item(line)].decode()

    def count(self, positions: IntArray) -> IntArray:
        """[n_lines]: how many of the ascending byte `positions` lie in each line."""
        return np.searchsorted(positions, self.ends) - np.searchsorted(positions, self.starts)


def first_line(file: SourceFile) -> str:
    """The first line, without its line break. Raises InputError where the file is no text."""
    return next(file.line_blocks()).split(b"\n", 1)[0].decode().rstrip("\r")


def header(file: SourceFile, delimiter: str, quoting: bool) -> list[str]:
    """The fields of the first line, trimmed. Raises InputError where one is empty, or two are the same."""
    line = first_line(file)
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


def read_delimited(
    file: SourceFile, names: list[str], delimiter: str, quoting: bool, rejected: list[Rejection]
) -> Iterator[TextTable]:
    """The lines below the header as tables with columns `names`, values trimmed; a block of the file at a time.

    Lines with another number of fields, or with broken quoting, are added to `rejected`. A quoted record that a block cuts
    is read with the next one.
    """
    blocks = file.line_blocks()
    block, first = next(blocks).partition(b"\n")[2], 2
    while True:
        following = next(blocks, None)
        lines = _Lines.of(file, first, block)
        table, n_read = _read_lines(lines, names, delimiter, quoting, following is None, rejected)
        yield table
        if following is None:
            return
        first += n_read
        block = block[lines.starts[n_read] if n_read < len(lines) else len(block) :] + following


def _read_lines(
    lines: _Lines, names: list[str], delimiter: str, quoting: bool, is_last: bool, rejected: list[Rejection]
) -> tuple[TextTable, int]:
    """The table of a block, and how many of its lines were read: in a last block all."""
    cuts = np.flatnonzero(lines.data == ord(delimiter))
    plain = lines.ends > lines.starts
    n_read = len(lines)

    records: dict[int, list[str]] = {}
    if quoting:
        quoted = lines.count(np.flatnonzero(lines.data == ord('"'))) > 0
        records, n_read = _quoted_records(lines, quoted, plain, len(names), delimiter, is_last, rejected)
        plain[n_read:] = False

    fields = lines.count(cuts) + 1
    for line in np.flatnonzero(plain & (fields != len(names))):
        rejected.append(_malformed(lines, int(line), f"expected {len(names)} fields, found {fields[line]}"))
    good = np.flatnonzero(plain & (fields == len(names)))

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
    rows.index = pd.Index(numbers[order] + lines.first)
    return TextTable(lines.file.name, rows), n_read


def _malformed(lines: _Lines, line: int, problem: str) -> Rejection:
    return Rejection(lines.file.name, lines.first + line, f"malformed line: {problem}", shorten(lines.text(line)))


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
    is_last: bool,
    rejected: list[Rejection],
) -> tuple[dict[int, list[str]], int]:
    """Fields of every record that begins on a `quoted` line, by that line; its lines are struck from `plain`.

    And how many lines were read: those before a record that goes on behind the end of a block that is not the last.
    """
    records: dict[int, list[str]] = {}
    cursor = _Cursor(lines)
    reader = csv.reader(cursor, delimiter=delimiter, strict=True)
    for line in np.flatnonzero(quoted).tolist():
        if line < cursor.line:
            continue
        cursor.line, cursor.is_exhausted = line, False
        fields: list[str] = []
        try:
            fields = next(reader)
        except csv.Error as error:
            if cursor.is_exhausted and not is_last:
                return records, line
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
    return records, len(lines)


class _Cursor:
    """Feeds lines to a csv reader, from `line` on; it can be set to another line between two records.

    is_exhausted: whether the reader asked for more than there is.
    """

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self.line = 0
        self.is_exhausted = False

    def __iter__(self) -> _Cursor:
        return self

    def __next__(self) -> str:
        if self.line >= len(self._lines):
            self.is_exhausted = True
            raise StopIteration
        self.line += 1
        return self._lines.text(self.line - 1) + "\n"
