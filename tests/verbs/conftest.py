"""A workspace and a data set on disk for the verbs' tests; the language models are tiny random ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from genair_engine.catalog.synthetic import write_lcrec
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace


@pytest.fixture
def settings(tmp_path, models_dir, monkeypatch) -> Settings:
    monkeypatch.setenv("GENAIR_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("GENAIR_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("GENAIR_DATABASE_URL", raising=False)
    return Settings()


@pytest.fixture
def workspace(settings):
    """A workspace on SQLite."""
    workspace = Workspace.open(settings)
    yield workspace
    workspace.close()


@pytest.fixture
def any_workspace(settings, store_url):
    """A workspace on each back-end in turn."""
    workspace = Workspace.open(settings.model_copy(update={"database_url": store_url}))
    yield workspace
    workspace.close()


@pytest.fixture
def source(tmp_path, tiny) -> Path:
    """The tiny data set as an LC-Rec pair."""
    folder = tmp_path / "source"
    folder.mkdir()
    write_lcrec(tiny, folder)
    return folder
