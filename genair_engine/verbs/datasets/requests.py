"""What the verbs on data sets are asked and answer: `import`, `datasets`, `report`, `delete`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from genair_engine.verbs.base import AsJob, Record, Request, Result, Verb, positional
from genair_engine.verbs.datasets.reader_options import FORMATS, with_reader_options


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

    @property
    def in_words(self) -> str:
        """Where it stood, and why it was left out."""
        return f"{self.file}{'' if self.line is None else f', line {self.line}'}: {self.reason}"


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
        shown = [f"  {rejected.in_words}" for rejected in self.rejections]
        more = self.rejected - len(shown)
        return [
            f"Imported {self.dataset} ({self.format}): {self.users:,} users, {self.items:,} items, "
            f"{self.interactions:,} interactions; {self.rejected:,} records rejected.",
            *shown,
            *([f"  … and {more:,} more: `report {self.dataset}` shows them all."] if more > 0 else []),
        ]


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
            f"{row.dataset}: {row.users:,} users, {row.items:,} items, {row.interactions:,} interactions ({row.format})"
            for row in self.datasets
        ]


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
            f"{rejected.in_words}: {rejected.record}" for rejected in self.rejections
        ]


class DeleteRequest(Request):
    """Delete a data set with its archetypes, representations and runs."""

    dataset: str = positional("data set")


class DeleteResult(Result):
    """What is gone."""

    deleted: str

    def lines(self) -> list[str]:
        return [f"Deleted {self.deleted} and everything made from it."]


IMPORT = Verb(
    "import",
    ImportRequest,
    ImportResult,
    run="genair_engine.verbs.datasets.imports:import_dataset",
    role="write",
    audited=True,
    job=AsJob(
        lambda request: f"Import {Path(request.path).name} as {request.name}",
        check="genair_engine.verbs.datasets.imports:check_import",
        earlier="genair_engine.verbs.datasets.imports:import_of_job",
    ),
)
DATASETS = Verb("datasets", DatasetsRequest, DatasetsResult, run="genair_engine.verbs.datasets.imports:list_datasets")
REPORT = Verb("report", ReportRequest, ReportResult, run="genair_engine.verbs.datasets.imports:report")
DELETE = Verb(
    "delete",
    DeleteRequest,
    DeleteResult,
    run="genair_engine.verbs.datasets.imports:delete_dataset",
    role="admin",
    audited=True,
)
