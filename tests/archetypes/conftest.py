"""Fixtures of the archetype tests: a folder with two tiny random language models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_language_models import save_model


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny matrices are slower on several threads than on one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for models_cache with the folders `tiny-llama` and `tiny-qwen`."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "tiny-llama", "llama")
    save_model(folder / "tiny-qwen", "qwen")
    return folder
