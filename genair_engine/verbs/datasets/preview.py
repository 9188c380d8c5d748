"""The verb `preview`: what an import would take for what, without importing it. It needs no workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from genair_engine.catalog.readers import preview_dataset
from genair_engine.verbs.base import Progress, Record, Request, Result, Verb, positional, silent
from genair_engine.verbs.datasets.reader_options import FORMATS, given_options, with_reader_options

if TYPE_CHECKING:
    from genair_engine.settings import Settings

LONGEST_VALUE = 60
"""Characters of a value that the terminal shows."""


@with_reader_options
class PreviewRequest(Request):
    """Show what an import would take for what, without importing it."""

    path: Path = positional("folder of the data set, or one of its files")
    format: str = Field("auto", description=FORMATS)


class PreviewedTable(Record):
    """A table of the source. holds: interactions, items, users, triples or links. columns: what each is taken for.

    rows: the first rows, column to value.
    """

    file: str
    holds: str
    columns: dict[str, str]
    rows: list[dict[str, str]]


class PreviewResult(Result):
    """format: of the files; because: why it is taken."""

    format: str
    because: str
    tables: list[PreviewedTable]

    def lines(self) -> list[str]:
        lines = [f"Would be read as {self.format}: {self.because}."]
        for table in self.tables:
            lines.append(f"{table.file}: {table.holds}")
            for column, meaning in table.columns.items():
                values = list(dict.fromkeys(row[column][:LONGEST_VALUE] for row in table.rows if row[column]))
                lines.append(f"  {column} → {meaning}" + (f": {' | '.join(values[:3])}" if values else ""))
        return lines


def preview(settings: Settings, request: PreviewRequest, progress: Progress = silent) -> PreviewResult:  # noqa: ARG001
    """The first rows of every table, and what its columns are taken for. Raises InputError."""
    format, because, tables = preview_dataset(request.path, request.format, given_options(request))
    return PreviewResult(
        format=format,
        because=because,
        tables=[
            PreviewedTable(file=table.file, holds=table.holds, columns=dict(table.columns), rows=table.rows)
            for table in tables
        ],
    )


PREVIEW = Verb(
    "preview",
    PreviewRequest,
    PreviewResult,
    run="genair_engine.verbs.datasets.preview:preview",
    needs_workspace=False,
)
