"""Verbs on data sets: import one, list them."""

from __future__ import annotations

from typing import Any

from genair_engine.catalog.readers import choose_reader, read_dataset, reader_options
from genair_engine.errors import InputError
from genair_engine.store.datasets import find_dataset, list_rejections
from genair_engine.store.jobs import live_of_dataset
from genair_engine.store.tables import DatasetRow, RejectionRow
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.datasets.reader_options import given_options
from genair_engine.verbs.datasets.requests import (
    DatasetsRequest,
    DatasetsResult,
    DatasetSummary,
    DeleteRequest,
    DeleteResult,
    ImportRequest,
    ImportResult,
    Rejected,
    ReportRequest,
    ReportResult,
)
from genair_engine.workspace import Workspace

SHOWN_REJECTIONS = 5


def import_dataset(workspace: Workspace, request: ImportRequest, progress: Progress = silent) -> ImportResult:
    """Read a data set and keep it, all or nothing. Raises InputError on unusable files or a name that is taken."""
    refuse_taken(workspace, request.name)
    progress(0, 2, f"reading {request.path.name}")
    result = read_dataset(request.path, request.name, request.format, given_options(request))
    progress(1, 2, "storing")
    row = workspace.save_dataset(result, str(result.dataset.provenance.get("format", request.format)))
    progress(2, 2, "imported")
    return import_result(workspace, row)


def check_import(workspace: Workspace, request: ImportRequest) -> None:
    """Raises InputError where the name is taken, nothing that a reader takes is at the path, or an option is not its own."""
    refuse_taken(workspace, request.name)
    if not request.path.exists():
        raise InputError(f"There is no file or folder {request.path}.")
    reader, _ = choose_reader(request.path, request.format)
    reader_options(reader, given_options(request))


def import_of_job(workspace: Workspace, job: str) -> ImportResult | None:
    """What a job has imported; None where it has imported nothing."""
    row = next((row for row in workspace.dataset_rows() if row.job_id == job), None)
    return import_result(workspace, row) if row else None


def check_dataset(workspace: Workspace, request: Any) -> None:
    """Raises NotFoundError where there is no data set of the name in the request's field `dataset`."""
    workspace.dataset_row(request.dataset)


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
        rejections=[_rejected(rejection) for rejection in shown],
    )


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


def report(workspace: Workspace, request: ReportRequest, progress: Progress = silent) -> ReportResult:  # noqa: ARG001
    """The import report of a data set. Raises NotFoundError."""
    with workspace.reading() as session:
        row = find_dataset(session, request.dataset)
        rejections = [_rejected(rejection) for rejection in list_rejections(session, row.id)]
    return ReportResult(dataset=row.name, rejected=len(rejections), rejections=rejections)


def _rejected(row: RejectionRow) -> Rejected:
    return Rejected(file=row.file, line=row.line, reason=row.reason, record=row.record)


def delete_dataset(workspace: Workspace, request: DeleteRequest, progress: Progress = silent) -> DeleteResult:  # noqa: ARG001
    """Remove a data set, rows and artifacts. Raises NotFoundError, and InputError while jobs work on it."""
    with workspace.reading() as session:
        busy = live_of_dataset(session, request.dataset)
    if busy:
        raise InputError(f"{request.dataset!r} is being worked on by {', '.join(busy)}: cancel that first (`jobs cancel`).")
    workspace.delete_dataset(request.dataset)
    return DeleteResult(deleted=request.dataset)
