"""What can write archetypes: models on this machine, presets that a job would download, and those of a server."""

from __future__ import annotations

from urllib.parse import urlsplit

from genair_engine.archetypes.hub import PRESETS
from genair_engine.archetypes.sources import list_models
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
    found = list_models(workspace.settings.models_dir)
    here, url = {one.model_id for one in found}, workspace.settings.openai_base_url
    return WriterChoices(
        here=[one.model_id for one in found if not one.is_encoder],
        presets=[
            WriterPreset(model=name, size=one.size, gated=one.gated)
            for name, one in PRESETS.items()
            if not {name, one.hub_id} & here
        ],
        server=urlsplit(url).netloc.rpartition("@")[2] if url else None,
        readers=[one.model_id for one in sorted(found, key=lambda one: one.is_encoder)],
    )
