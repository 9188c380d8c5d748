"""The verb `export`: a finished run as a folder that recommends without the database and without this repository."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from genair_engine.errors import InputError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.verbs.base import Progress, Request, Result, positional, silent
from genair_engine.verbs.training.runs import run_result
from genair_engine.workspace import Workspace


class ExportRequest(Request):
    """Export a trained run to a folder that recommends without the database."""

    run: str = positional("run")
    output: Path = Field(description="folder to make; it must not exist")


class ExportResult(Result):
    """megabytes: 10^6 bytes of all files. files: relative to the folder, without the modules of the engine."""

    run: str
    output: str
    n_items: int
    megabytes: float
    files: list[str]

    def lines(self) -> list[str]:
        return [
            f"Run {self.run} with {self.n_items:,} items is in {self.output} ({self.megabytes:,.1f} MB):",
            f"  {', '.join(self.files)}.",
            "  README.md there says how to use it: python recommend.py --items id1,id2",
        ]


def export(workspace: Workspace, request: ExportRequest, progress: Progress = silent) -> ExportResult:
    """The folder appears when it is complete. Raises NotFoundError, InputError for a folder that exists, WorkspaceError."""
    from genair_engine.serving.bundle import write_bundle
    from genair_engine.training.config import TrainingConfig
    from genair_engine.verbs.recommending.recommend import load_recommender

    folder = request.output.expanduser().absolute()
    if folder.exists():
        raise InputError(f"{folder} exists already: name a folder that does not, or remove it first.")
    progress(0, 2, f"loading {request.run}")
    about = run_result(workspace, request.run)
    ranker = load_recommender(workspace, request.run)
    facts = about.model_dump(mode="json", include={"run", "dataset", "config", "deviations", "protocol", "created_at"})
    progress(1, 2, f"writing {folder}")
    try:
        with artifacts.building(folder) as aside:
            write_bundle(aside, ranker, TrainingConfig(**about.config), facts | {"metrics": about.metrics["test"]})
    except OSError as error:
        raise WorkspaceError(f"Cannot write {folder}: {error.strerror or error}.") from error
    progress(2, 2, "exported")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return ExportResult(
        run=request.run,
        output=str(folder),
        n_items=ranker.n_items,
        megabytes=sum(path.stat().st_size for path in files) / 1e6,
        files=[path.name for path in files if path.parent == folder],
    )
