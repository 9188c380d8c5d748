"""The verb `export`: a finished run as a folder that recommends without the database and without this repository."""

from __future__ import annotations

from genair_engine.errors import InputError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.export_requests import ExportRequest, ExportResult
from genair_engine.verbs.training.runs import run_result
from genair_engine.workspace import Workspace


def export(workspace: Workspace, request: ExportRequest, progress: Progress = silent) -> ExportResult:
    """The folder appears when it is complete. Raises NotFoundError, InputError for a folder that exists, WorkspaceError."""
    from genair_engine.methods.config import RunConfig
    from genair_engine.methods.registry import exportable
    from genair_engine.serving.bundle import write_bundle
    from genair_engine.verbs.recommending.recommend import load_recommender

    folder = request.output.expanduser().absolute()
    if folder.exists():
        raise InputError(f"{folder} exists already: name a folder that does not, or remove it first.")
    progress(0, 2, f"loading {request.run}")
    about = run_result(workspace, request.run)
    config = RunConfig.stored(about.config)
    if config.backbone is None or config.method not in exportable():
        raise InputError(
            f"Run {request.run!r} is of method {config.method!r}, and only a backbone with a table of item vectors can be "
            f"exported: choose a run of method {' or '.join(exportable())}."
        )
    ranker = load_recommender(workspace, request.run)
    facts = about.model_dump(mode="json", include={"run", "dataset", "config", "deviations", "protocol", "created_at"})
    progress(1, 2, f"writing {folder}")
    try:
        with artifacts.building(folder) as aside:
            write_bundle(aside, ranker, config.backbone, config.model, facts | {"metrics": about.metrics["test"]})
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
