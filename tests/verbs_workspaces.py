"""Fixtures of the verbs' tests: the tiny catalogue imported, and represented by a tiny random language model."""

from __future__ import annotations

import pytest

from genair_engine import verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.workspace import Workspace

SHORT = Sampling(max_new_tokens=6)
SMALL = {"dim": 8, "layers": 1, "batch_size": 4, "epochs": 3, "max_len": 10, "device": "cpu"}
"""Options of `train` that take a moment."""


@pytest.fixture
def imported(workspace, source) -> Workspace:
    """A workspace with the tiny data set as `shop`."""
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    return workspace


@pytest.fixture
def represented(imported) -> tuple[Workspace, str]:
    """The same with a representation of both parts, and its id."""
    verbs.generate(imported, verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT, device="cpu"))
    result = verbs.represent(imported, verbs.RepresentRequest(dataset="shop", model="tiny-llama"))
    return imported, result.representation
