"""From a stored run to its model: the representation that it reads, the network of its configuration, its weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from genair_engine import __version__
from genair_engine.archetypes.representation import Representation, part_scales
from genair_engine.catalog.dataset import Dataset
from genair_engine.devices import pick_device
from genair_engine.errors import InputError
from genair_engine.methods.config import ModelConfig
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.methods.registry import build_recommender
from genair_engine.store import artifacts
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow
from genair_engine.training.config import TrainingConfig
from genair_engine.verbs.training.checks import kept_columns
from genair_engine.workspace import Workspace


def load_model(workspace: Workspace, name: str, device: str = "cpu") -> tuple[RunRow, DatasetRow, SequenceRecommender]:
    """A finished run's trained model. Raises NotFoundError, or InputError for a run that has not finished."""
    with workspace.reading() as session:
        run, owner = rows.find_run(session, name)
        representation = session.get(RepresentationRow, run.representation_id) if run.representation_id else None
    if run.state == "failed":
        raise InputError(f"Run {name!r} has failed and cannot be used: {run.error}")
    if run.state != "done":
        raise InputError(f"Run {name!r} is {run.state}: only a finished run can be used. Train it again to finish it.")
    weights = artifacts.load_arrays(workspace.fetch(f"{run.folder}/model.safetensors"))
    try:
        model = build_model(workspace, workspace.load_dataset(owner.name), representation, TrainingConfig(**run.config))
        model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    except (ValidationError, RuntimeError) as error:  # fields or weights of that version that this one does not have
        raise InputError(
            f"Run {name!r} was made by version {run.code_version}, whose model version {__version__} cannot build: train it "
            "again."
        ) from error
    return run, owner, model.to(pick_device(device)).eval()


def build_model(
    workspace: Workspace, dataset: Dataset, representation: RepresentationRow | None, config: TrainingConfig
) -> SequenceRecommender:
    """The untrained model of a configuration, with the representation that it reads."""
    vectors = torch.from_numpy(load_vectors(workspace, representation, config)) if representation else None
    return build_recommender(config, dataset.n_items, vectors)


def load_vectors(workspace: Workspace, representation: RepresentationRow, config: ModelConfig) -> npt.NDArray[np.float32]:
    """[n_items, D] the wanted parts of a representation, scaled as wanted. Raises InputError where it does not hold them."""
    vectors = load_representation(workspace, representation).vectors
    return as_trained_on(vectors, vectors, representation.id, representation.dims, config)


def load_representation(workspace: Workspace, row: RepresentationRow) -> Representation:
    """The vectors of a representation with the bases that project new items; without bases where it was stored without."""
    return Representation.from_arrays(artifacts.load_arrays(workspace.fetch(f"{row.folder}/representation.safetensors")))


def load_with_bases(workspace: Workspace, row: RepresentationRow) -> Representation:
    """The same, for who projects new states with it. Raises InputError where a part's bases are not there."""
    made = load_representation(workspace, row)
    if set(made.bases) != set(row.dims):
        raise InputError(
            f"Representation {row.id} was stored without its PCA bases, so that nothing new can be put into it: make it again "
            f"with `represent` (--model {row.model}), and train on that."
        )
    return made


def as_trained_on(
    rows: npt.NDArray[np.float32],
    catalogue: npt.NDArray[np.float32],
    name: str,
    dims: dict[str, int],
    config: ModelConfig,
) -> npt.NDArray[np.float32]:
    """What a model of this configuration reads of representation rows [m, sum of dims], also of new items.

    catalogue: the rows of the items that it is trained on, whose scale counts. name: of the representation, for errors.
    Raises InputError where the wanted parts are not there.
    """
    kept = kept_columns(name, dims, config)
    if config.scaling == "parts":
        rows = rows / part_scales(catalogue, list(dims.values()))
    return rows[:, kept]
