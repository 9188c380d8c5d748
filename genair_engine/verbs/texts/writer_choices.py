"""What can write archetypes: models on this machine, presets that a job would download, and those of a server."""

from __future__ import annotations

from urllib.parse import urlsplit

from genair_engine.archetypes.hub import PRESETS
from genair_engine.archetypes.model_folders import list_models
from genair_engine.verbs.base import Record
from genair_engine.workspace import Workspace


class WriterPreset(Record):
    """A model that is not on this machine, by the name that `generate` takes. size: bytes to download, about."""

    model: str
    size: int
    gated: bool


class WriterChoices(Record):
    """here: language models on this machine. presets: those of the hub that are not. server: the host of the server in
    GENAIR_OPENAI_BASE_URL, None where none is set. readers: models on this machine that can read a server's texts, language
    models first.
    """

    here: list[str]
    presets: list[WriterPreset]
    server: str | None
    readers: list[str]


def writer_choices(workspace: Workspace) -> WriterChoices:
    """What `generate` could write with. Neither the hub nor the server is asked."""
    folders = list_models(workspace.settings.models_dir)
    here, url = {folder.model_id for folder in folders}, workspace.settings.openai_base_url
    return WriterChoices(
        here=[folder.model_id for folder in folders if not folder.is_encoder],
        presets=[
            WriterPreset(model=name, size=preset.size, gated=preset.gated)
            for name, preset in PRESETS.items()
            if not {name, preset.hub_id} & here
        ],
        server=urlsplit(url).netloc.rpartition("@")[2] if url else None,
        readers=[folder.model_id for folder in sorted(folders, key=lambda folder: folder.is_encoder)],
    )
