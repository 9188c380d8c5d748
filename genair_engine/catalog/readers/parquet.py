"""Parquet files as tables of text, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genair_engine.catalog.readers.files import Rejection, SourceFile
from genair_engine.catalog.readers.text_table import TextTable, metadata_text

BATCH = 50_000
"""Rows that are handed on at once."""


def parquet_columns(file: SourceFile) -> list[str]:
    """The table's columns, without an index that pandas stored. Raises InputError where it is no Parquet file."""
    if not next(file.blocks(), b"").strip():
        raise file.empty
    with _readable(file), pq.ParquetFile(file.path) as table:
        return [name for name in table.schema_arrow.names if not name.startswith("__index_level_")]


def read_parquet(file: SourceFile, rejected: list[Rejection]) -> Iterator[TextTable]:  # noqa: ARG001
    """Its rows as text, numbered from 1; an empty table for a file without rows.

    Raises InputError where the file is damaged. Whole floats lose their ".0" in a column that has no others: pandas writes
    ids so where some are missing.
    """
    for _ in file.blocks():
        pass  # so that its sha256 is known
    names = parquet_columns(file)
    with _readable(file), pq.ParquetFile(file.path) as table:
        whole = {name for name in names if _is_whole(table, name)}
        yield _as_table(file, {name: [] for name in names}, 0)
        n_read = 0
        for batch in table.iter_batches(BATCH, columns=names):
            columns = {name: _as_text(batch.column(name), name in whole) for name in names}
            yield _as_table(file, columns, n_read)
            n_read += len(batch)


@contextmanager
def _readable(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, OSError, UnicodeDecodeError) as error:
        raise file.error(f"not a readable Parquet file ({error}); export it again.") from None


def _as_table(file: SourceFile, columns: dict[str, list[str]], n_before: int) -> TextTable:
    n_rows = len(next(iter(columns.values()), []))
    rows = pd.DataFrame(columns, index=pd.RangeIndex(n_before + 1, n_before + n_rows + 1), dtype="str")
    return TextTable(file.name, rows, has_lines=False)


def _is_whole(table: pq.ParquetFile, name: str) -> bool:
    """Whether all values of a column of floats are whole numbers."""
    if not pa.types.is_floating(table.schema_arrow.field(name).type):
        return False
    columns = (batch.column(name) for batch in table.iter_batches(BATCH, columns=[name]))
    return all(pc.all(pc.and_(pc.equal(c, pc.trunc(c)), pc.less(pc.abs(c), 2.0**53))).as_py() is not False for c in columns)


def _as_text(column: pa.Array, is_whole: bool) -> list[str]:
    """A column as trimmed text."""
    if pa.types.is_nested(column.type):
        return [metadata_text(value) for value in column.to_pylist()]
    text = (column.cast(pa.int64()) if is_whole else column).cast(pa.large_string())
    values: list[str] = pc.utf8_trim_whitespace(pc.replace_substring(pc.fill_null(text, ""), "\0", "")).to_pylist()
    return values
