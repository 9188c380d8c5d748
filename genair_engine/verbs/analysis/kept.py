"""What was computed from item vectors and is kept: an artifact under a key that says from which space, how, with which seed.

The vectors of a finished run and of a representation never change, and so does nothing that is kept here: a copy is as good as
the original. It goes with its dataset.
"""

from __future__ import annotations

import json
from typing import Any

import numpy.typing as npt

from genair_engine import __version__
from genair_engine.store import artifacts
from genair_engine.store.datasets import analyses_folder
from genair_engine.verbs.analysis.requests import Space
from genair_engine.workspace import Workspace

Arrays = dict[str, npt.NDArray[Any]]


def load(workspace: Workspace, space: Space, key: str) -> Arrays | None:
    """The arrays under that key; None where nothing was computed yet."""
    path = _path(workspace, space, key)
    if not workspace.path(path).exists() and not workspace.fetch(path, optional=True).exists():
        return None
    return artifacts.load_arrays(workspace.path(path))


def about(workspace: Workspace, space: Space, key: str) -> dict[str, Any]:
    """How what is kept under that key was computed."""
    return dict(json.loads(artifacts.load_metadata(workspace.path(_path(workspace, space, key)))["about"]))


def save(workspace: Workspace, space: Space, key: str, arrays: Arrays, how: dict[str, Any]) -> None:
    """Keeps arrays, with how they were computed (a JSON value)."""
    path = _path(workspace, space, key)
    artifacts.make_folder(workspace.path(path).parent)
    origin = {"space": space.space, "code_version": __version__, **how}
    artifacts.save_arrays(workspace.path(path), arrays, {"about": json.dumps(origin)})
    workspace.publish(path)


def _path(workspace: Workspace, space: Space, key: str) -> str:
    return f"{analyses_folder(workspace.dataset_row(space.dataset))}/{key}.safetensors"
