"""Verbs on data sets: import one, list them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from genair_engine.catalog.readers import read_dataset
from genair_engine.errors import InputError
from genair_engine.store.datasets import find_dataset, list_rejections
from genair_engine.store.jobs import live_of_dataset
from genair_engine.store.tables import DatasetRow
from genair_engine.verbs.base import Progress, Record, Request, Result, positional, silent
from genair_engine.verbs.datasets.reader_options import FORMATS, given_options, with_reader_options
from genair_engine.workspace import Workspace

SHOWN_REJECTIONS = 5


@with_reader_options
class ImportRequest(Request):
    """Import a catalogue with its interactions."""

    path: Path = positional("folder of the data set, or one of its files")
    name: str = Field(description="name of the data set in the workspace")
    format: str = Field("auto", description=FORMATS)


class Rejected(Record):
    """A record that was left out, and why."""

    file: str
    line: int | None
    reason: str
    record: str


class ImportResult(Result):
    """rejected counts all records left out; rejections shows the first few, the workspace keeps them all."""

    dataset: str
    format: str
    users: int
    items: int
    interactions: int
    rejected: int
    rejections: list[Rejected]

    def lines(self) -> list[str]:
        shown = [f"  {one.file}{'' if one.line is None else f', line {one.line}'}: {one.reason}" for one in self.rejections]
        more = self.rejected - len(shown)
        return [
            f"Imported {self.dataset} ({self.format}): {self.users:,} users, {self.items:,} items, "
            f"{self.interactions:,} interactions; {self.rejected:,} records rejected.",
            *shown,
            *([f"  … and {more:,} more: `report {self.dataset}` shows them all."] if more > 0 else []),
        ]


def import_dataset(workspace: Workspace, request: ImportRequest, progress: Progress = silent) -> ImportResult:
    """Read a data set and keep it, all or nothing. Raises InputError on unusable files or a name that is taken."""
    refuse_taken(workspace, request.name)
    progress(0, 2, f"reading {request.path.name}")
    result = read_dataset(request.path, request.name, request.format, given_options(request))
    progress(1, 2, "storing")
    row = workspace.save_dataset(result, str(result.dataset.provenance.get("format", request.format)))
    progress(2, 2, "imported")
    return import_result(workspace, row)


def refuse_taken(workspace: Workspace, name: str) -> None:
    """Raises InputError where the workspace has a data set of that name."""
    if any(row.name == name for row in workspace.dataset_rows()):
        raise InputError(f"A data set named {name!r} exists already: choose another name.")


def import_result(workspace: Workspace, row: DatasetRow) -> ImportResult:
    """What an import made, from the workspace."""
    with workspace.reading() as session:
        shown = list_rejections(session, row.id, limit=SHOWN_REJECTIONS)
    return ImportResult(
        dataset=row.name,
        format=row.format,
        users=row.n_users,
        items=row.n_items,
        interactions=row.n_interactions,
        rejected=row.n_rejected,
        rejections=[Rejected(file=one.file, line=one.line, reason=one.reason, record=one.record) for one in shown],
    )


class DatasetsRequest(Request):
    """List the data sets of the workspace."""


class DatasetSummary(Record):
    """A data set in numbers."""

    dataset: str
    format: str
    users: int
    items: int
    interactions: int
    rejected: int
    content_hash: str


class DatasetsResult(Result):
    """The data sets of the workspace by name."""

    datasets: list[DatasetSummary]

    def lines(self) -> list[str]:
        if not self.datasets:
            return ["The workspace has no data set yet. Import one: python -m genair_engine import PATH --name NAME"]
        return [
            f"{one.dataset}: {one.users:,} users, {one.items:,} items, {one.interactions:,} interactions ({one.format})"
            for one in self.datasets
        ]


def list_datasets(workspace: Workspace, request: DatasetsRequest, progress: Progress = silent) -> DatasetsResult:  # noqa: ARG001
    """All data sets by name."""
    return DatasetsResult(
        datasets=[
            DatasetSummary(
                dataset=row.name,
                format=row.format,
                users=row.n_users,
                items=row.n_items,
                interactions=row.n_interactions,
                rejected=row.n_rejected,
                content_hash=row.content_hash,
            )
            for row in workspace.dataset_rows()
        ]
    )


class ReportRequest(Request):
    """Show every record that an import left out, and why."""

    dataset: str = positional("data set")


class ReportResult(Result):
    """All rejected records of a data set, in the order of the source."""

    dataset: str
    rejected: int
    rejections: list[Rejected]

    def lines(self) -> list[str]:
        return [f"{self.rejected:,} records of {self.dataset} were rejected."] + [
            f"{one.file}{'' if one.line is None else f', line {one.line}'}: {one.reason}: {one.record}"
            for one in self.rejections
        ]


def report(workspace: Workspace, request: ReportRequest, progress: Progress = silent) -> ReportResult:  # noqa: ARG001
    """The import report of a data set. Raises NotFoundError."""
    with workspace.reading() as session:
        row = find_dataset(session, request.dataset)
        found = [
            Rejected(file=one.file, line=one.line, reason=one.reason, record=one.record)
            for one in list_rejections(session, row.id)
        ]
    return ReportResult(dataset=row.name, rejected=len(found), rejections=found)


class DeleteRequest(Request):
    """Delete a data set with its archetypes, representations and runs."""

    dataset: str = positional("data set")


class DeleteResult(Result):
    """What is gone."""

    deleted: str

    def lines(self) -> list[str]:
        return [f"Deleted {self.deleted} and everything made from it."]


def delete_dataset(workspace: Workspace, request: DeleteRequest, progress: Progress = silent) -> DeleteResult:  # noqa: ARG001
    """Remove a data set, rows and artifacts. Raises NotFoundError, and InputError while jobs work on it."""
    with workspace.reading() as session:
        busy = live_of_dataset(session, request.dataset)
    if busy:
        raise InputError(f"{request.dataset!r} is being worked on by {', '.join(busy)}: cancel that first (`jobs cancel`).")
    workspace.delete_dataset(request.dataset)
    return DeleteResult(deleted=request.dataset)
