"""The verb `demo`: the whole way of the data on the embedded demo catalogue, from import to trained recommenders.

Every step is the ordinary verb, and what is there already is not made again: interrupted, it goes on where it was. So a fresh
workspace becomes one that shows everything, without a download, and each page can be used as soon as its part is ready.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

from genair_engine.archetypes.demo import SAMPLING
from genair_engine.archetypes.model_folders import find_model
from genair_engine.catalog.demo import demo_catalogue, write_catalogue
from genair_engine.errors import InputError
from genair_engine.store.runs import list_representations
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.datasets.imports import import_dataset
from genair_engine.verbs.datasets.requests import ImportRequest
from genair_engine.verbs.representations.represent import represent
from genair_engine.verbs.representations.requests import RepresentRequest
from genair_engine.verbs.system.requests import DEMO, DemoRequest, DemoResult
from genair_engine.verbs.texts.generate import generate
from genair_engine.verbs.texts.requests import GenerateRequest
from genair_engine.verbs.training.sweep import SweepRequest
from genair_engine.verbs.training.sweeping import sweep
from genair_engine.workspace import Workspace

LANGUAGE_MODELS = ("demo-llama", "demo-qwen")
REPRESENTED = "demo-qwen"
"""Whose states the GenAIR run is trained on."""
METHODS = ("id", "genair")
USERS_AN_ITEM = 4
TRAINING: dict[str, Any] = {"epochs": 50, "schedule": "cosine", "learning_rate": 3e-3, "dropout": 0.3}
"""How its recommenders are trained, where not as `train` does by default: chosen on validation items, and to be done soon."""
SHARES = {"import": 2, "demo-llama": 45, "demo-qwen": 20, "represent": 1, "id": 14, "genair": 16, "floors": 2}
"""Roughly how long the steps take, in per cent of the whole."""


def check_demo(workspace: Workspace, request: DemoRequest) -> None:  # noqa: ARG001 - a check of a kind of job
    """Raises InputError where another data set has the demo's name, ModelError where a demo model is missing."""
    for model in LANGUAGE_MODELS:
        find_model(model, workspace.settings.models_dir)
    _is_there(workspace)


def demo(workspace: Workspace, request: DemoRequest, progress: Progress = silent) -> DemoResult:
    """Make what is missing. Raises as `check_demo`."""
    check_demo(workspace, request)
    tell = _shared(progress)
    if not _is_there(workspace):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / DEMO
            write_catalogue(demo_catalogue(items=request.items, users=USERS_AN_ITEM * request.items), path)
            import_dataset(workspace, ImportRequest(path=path, name=DEMO, format="tables"), tell("import"))
    written = {}
    for model in LANGUAGE_MODELS:
        wanted = GenerateRequest(dataset=DEMO, model=model, sampling=SAMPLING, device=request.device)
        written[model] = generate(workspace, wanted, tell(model)).items
    representation = _represent(workspace, tell("represent"))
    runs = {"dataset": DEMO, "representation": representation, "device": request.device, **TRAINING}
    for method in METHODS:  # one after the other for the progress; the table then takes both as they are
        sweep(workspace, SweepRequest(**runs, methods=[method]), tell(method))
    results = sweep(workspace, SweepRequest(**runs, methods=list(METHODS), floors=True), tell("floors"))
    progress(100, 100, "the demo is ready")
    return DemoResult(dataset=DEMO, archetypes=written, representation=representation, results=results)


def _shared(progress: Progress) -> Callable[[str], Progress]:
    """Progress of the steps as per cent of the whole."""
    begin = dict(zip(SHARES, accumulate(SHARES.values(), initial=0), strict=False))

    def of(step: str) -> Progress:
        def tell(done: int, total: int, what: str) -> None:
            progress(begin[step] + int(SHARES[step] * done / max(total, 1)), 100, what)

        return tell

    return of


def _is_there(workspace: Workspace) -> bool:
    """Raises InputError where something else has its name."""
    same_name = [row for row in workspace.dataset_rows() if row.name == DEMO]
    if same_name and "about" not in same_name[0].provenance:
        raise InputError(f"The workspace has a data set {DEMO!r} that is not the demo: delete it, or use another workspace.")
    return bool(same_name)


def _represent(workspace: Workspace, progress: Progress) -> str:
    """The representation of all that the model wrote, made where it is not there."""
    request = RepresentRequest(dataset=DEMO, model=REPRESENTED)
    with workspace.reading() as session:
        there = [
            row.id
            for row in list_representations(session, workspace.dataset_row(DEMO).id)
            if (row.model, list(row.dims), row.variance) == (REPRESENTED, ["prefill", "decoding"], request.variance)
        ]
    return there[-1] if there else represent(workspace, request, progress).representation
