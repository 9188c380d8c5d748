"""From a stored run to its recommender: the inputs that it reads, the model of its configuration, its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError

from genair_engine import __version__
from genair_engine.devices import pick_device
from genair_engine.errors import InputError
from genair_engine.interfaces import Recommender
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.item_parts import ItemParts
from genair_engine.methods.recommender import SequenceRecommender, TableRecommender
from genair_engine.methods.registry import tags_of
from genair_engine.store import artifacts
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow
from genair_engine.verbs.representations.stored import load_representation
from genair_engine.verbs.training.checks import RunInput
from genair_engine.workspace import Workspace

MODEL = "model.safetensors"
"""In a run's folder: the weights of its model, or what was counted for it; there is none where nothing was."""


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run with its recommender, ready to score."""

    run: RunRow
    owner: DatasetRow
    recommender: Recommender


def load_finished(workspace: Workspace, name: str, device: str = "cpu") -> FinishedRun:
    """A finished run, trained or not. Raises NotFoundError, or InputError for a run that has not finished.

    device: for trained models; what is not trained scores on the CPU.
    """
    run, owner = _finished(workspace, name)
    if tags_of(run.method).trained:
        return FinishedRun(run, owner, TableRecommender(load_model(workspace, name, device)[2]))
    path = workspace.fetch(f"{run.folder}/{MODEL}", optional=True)
    with _of_its_version(run):
        config, inputs = RunConfig.stored(run.config), load_inputs(workspace, inputs_of(run))
        fitted = artifacts.load_arrays(path) if path.exists() else {}
        n_items = workspace.load_dataset(owner.name).n_items
        return FinishedRun(run, owner, build_recommender(config, n_items, inputs, fitted))


def load_model(workspace: Workspace, name: str, device: str = "cpu") -> tuple[RunRow, DatasetRow, SequenceRecommender]:
    """A finished run's trained model. Raises NotFoundError, or InputError for a run that has not finished or has no model."""
    run, owner = _finished(workspace, name)
    if not tags_of(run.method).trained:
        raise InputError(f"Run {name!r} is of method {run.method}, which is not trained: it has no model and no item vectors.")
    weights = artifacts.load_arrays(workspace.fetch(f"{run.folder}/{MODEL}"))
    with _of_its_version(run):
        config = RunConfig.stored(run.config)
        inputs = load_inputs(workspace, inputs_of(run))
        model: SequenceRecommender = build_recommender(config, workspace.load_dataset(owner.name).n_items, inputs)
        model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return run, owner, model.to(pick_device(device)).eval()


def _finished(workspace: Workspace, name: str) -> tuple[RunRow, DatasetRow]:
    with workspace.reading() as session:
        run, owner = rows.find_run(session, name)
    if run.state == "failed":
        raise InputError(f"Run {name!r} has failed and cannot be used: {run.error}")
    if run.state != "done":
        raise InputError(f"Run {name!r} is {run.state}: only a finished run can be used. Train it again to finish it.")
    return run, owner


@contextmanager
def _of_its_version(run: RunRow) -> Iterator[None]:
    """Fields or weights of the run's version that this one does not have become an InputError."""
    try:
        yield
    except (ValidationError, RuntimeError, KeyError) as error:
        raise InputError(
            f"Run {run.id!r} was made by version {run.code_version}, whose model version {__version__} cannot build: train it "
            "again."
        ) from error


def inputs_of(run: RunRow) -> list[RunInput]:
    """What a stored run reads."""
    return [RunInput(row.role, row.kind, row.input_id) for row in run.inputs]


def load_inputs(workspace: Workspace, inputs: Sequence[RunInput]) -> dict[str, Any]:
    """Role → what a model is built from: `ItemParts` of a representation, the recommender of another run.

    Raises NotFoundError, InputError, WorkspaceError.
    """
    loaded: dict[str, Any] = {}
    for given in inputs:
        if given.kind == "representation":
            with workspace.reading() as session:
                row = session.get_one(RepresentationRow, given.id)
            loaded[given.role] = load_item_parts(workspace, row)
        else:
            loaded[given.role] = load_finished(workspace, given.id).recommender
    return loaded


def initial_model(config: RunConfig, n_items: int, inputs: Mapping[str, Any]) -> SequenceRecommender:
    """The untrained model, whose weights the configuration's seed decides."""
    with torch.random.fork_rng(devices=[]):  # they are drawn on the CPU, whatever they are trained on
        torch.manual_seed(config.seed)
        model: SequenceRecommender = build_recommender(config, n_items, inputs)
    return model


def load_item_parts(workspace: Workspace, row: RepresentationRow) -> ItemParts:
    """The item parts of a stored representation."""
    return ItemParts(load_representation(workspace, row).vectors, row.dims, row.id)
