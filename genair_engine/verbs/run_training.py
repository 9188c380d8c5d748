"""How a run is trained: claimed or resumed, checkpointed after every epoch, measured, kept.

After every epoch the checkpoint becomes an artifact and the epoch a row. The same request again resumes a run that was
interrupted, from its last complete epoch and with the same result as if it had never stopped (on the CPU, bit by bit).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genair_engine import __version__
from genair_engine.catalog.dataset import Dataset, ItemArray
from genair_engine.devices import peak_memory, pick_device
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Part, Protocol
from genair_engine.evaluation.protocol import evaluate as rank_targets
from genair_engine.methods.recommender import SequenceRecommender, TableScorer
from genair_engine.methods.registry import METHODS, build_recommender
from genair_engine.store import artifacts
from genair_engine.store import runs as rows
from genair_engine.store.keys import content_key, new_id
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunEpochRow, RunRow
from genair_engine.training import trainer as training
from genair_engine.training.config import TrainingConfig
from genair_engine.training.trainer import EpochRecord, Trainer
from genair_engine.verbs.base import Progress
from genair_engine.verbs.runs import EvaluateRequest, TrainRequest
from genair_engine.workspace import Workspace


def train(workspace: Workspace, request: TrainRequest, progress: Progress) -> str:
    """Train, keep the best epoch's weights, and evaluate them on validation and test items.

    Raises InputError where method and representation do not fit, NonFiniteError when training diverges; the run is then
    marked as failed with the reason.
    """
    dataset = workspace.load_dataset(request.dataset)
    config = request.config()
    device = pick_device(request.device)
    with workspace.reading() as session:
        owner = workspace.dataset_row(request.dataset)
        named = request.representation
        representation = rows.find_representation(session, owner, named) if named is not None else None
    if METHODS[config.method].needs_representation and representation is None:
        raise InputError(f"Method {config.method!r} needs --representation: make one with `represent {owner.name} …`.")
    if not METHODS[config.method].needs_representation and representation is not None:
        raise InputError(f"Method {config.method!r} uses no representation: leave --representation out.")
    if len(dataset.split.users) == 0:
        raise InputError(f"{owner.name!r} has no user with three interactions: nothing to validate on.")
    if workspace.settings.threads:
        torch.set_num_threads(workspace.settings.threads)

    with torch.random.fork_rng(devices=[]):  # the weights are drawn on the CPU, whatever they are trained on
        torch.manual_seed(config.seed)
        model = _build(workspace, dataset, representation, config)
    trainer = Trainer(model, dataset, workspace.negatives(owner.name), config, device=device)
    with _claim(workspace, owner, representation, config, trainer, str(device)) as run:
        try:
            with peak_memory(device) as peak:
                trainer.fit(lambda record: _keep_epoch(workspace, run, trainer, record, progress))
                measured = _measure(trainer.model, dataset, trainer.negatives, trainer.protocol)
            _finish(workspace, run, trainer, measured, peak.megabytes)
        except NonFiniteError as error:
            _set_state(workspace, run, "failed", str(error))
            raise
        except BaseException:  # a busy database, a full disk, an interruption: the checkpoint is good, go on later
            _set_state(workspace, run, "stopped", None)
            raise
    return run.id


def evaluate(workspace: Workspace, request: EvaluateRequest, progress: Progress) -> dict[str, dict[str, dict[str, float]]]:
    """The metrics of a finished run, measured anew under its stored protocol; what the run itself holds stays."""
    run, owner, model = load_model(workspace, request.run, request.device)
    dataset = workspace.load_dataset(owner.name)
    progress(0, 1, "ranking")
    protocol = Protocol(**run.protocol)
    measured = _measure(model, dataset, workspace.negatives(owner.name), protocol)
    progress(1, 1, "evaluated")
    return measured


def load_model(workspace: Workspace, name: str, device: str = "cpu") -> tuple[RunRow, DatasetRow, SequenceRecommender]:
    """A finished run's trained model. Raises NotFoundError, or InputError for a run that has not finished."""
    with workspace.reading() as session:
        run, owner = rows.find_run(session, name)
        representation = session.get(RepresentationRow, run.representation_id) if run.representation_id else None
    if run.state != "done":
        raise InputError(f"Run {name!r} is {run.state}: only a finished run can be used. Train it again to finish it.")
    model = _build(workspace, workspace.load_dataset(owner.name), representation, TrainingConfig(**run.config))
    weights = artifacts.load_arrays(workspace.path(run.folder) / "model.safetensors")
    model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return run, owner, model.to(pick_device(device)).eval()


def _build(
    workspace: Workspace, dataset: Dataset, representation: RepresentationRow | None, config: TrainingConfig
) -> SequenceRecommender:
    vectors = None
    if representation is not None:
        arrays = artifacts.load_arrays(workspace.path(representation.folder) / "representation.safetensors")
        vectors = torch.from_numpy(arrays["vectors"][:, _columns(representation, config.parts)])
    return build_recommender(config, dataset.n_items, vectors)


def _columns(representation: RepresentationRow, parts: str) -> slice:
    """The columns of the wanted parts: they stand side by side, in the order of `dims`. Raises InputError."""
    if parts == "both":
        return slice(None)
    if parts not in representation.dims or len(representation.dims) < 2:
        raise InputError(
            f"Representation {representation.id} holds {' and '.join(representation.dims)}: parts {parts!r} needs one that "
            "holds both prefill and decoding."
        )
    names = list(representation.dims)
    before = sum(representation.dims[name] for name in names[: names.index(parts)])
    return slice(before, before + representation.dims[parts])


@contextmanager
def _claim(
    workspace: Workspace,
    owner: DatasetRow,
    representation: RepresentationRow | None,
    config: TrainingConfig,
    trainer: Trainer,
    device: str,
) -> Iterator[RunRow]:
    """The unfinished run of this configuration, brought back to where it stopped, or else a new one; held by a lock.

    The lock belongs to the process and vanishes with it: a run that another live process trains is never touched.
    """
    key = content_key(
        [owner.content_hash, representation.id if representation else None, config.model_dump(), device, __version__]
    )
    with workspace.reading() as session:
        unfinished = list(rows.unfinished_runs(session, owner.id, key))
    for run in unfinished:
        folder = workspace.path(run.folder)
        with artifacts.locked(folder) as locked:
            if not locked:
                continue
            if (folder / "checkpoint.safetensors").exists():
                _restore(folder, trainer)
                _set_state(workspace, run, "training", None)
                yield run
                return
            _set_state(workspace, run, "stopped", None)  # killed in its first epoch: nothing to go on from
    name = f"{config.backbone}-{config.method}-{new_id()[:8]}"
    run = RunRow(
        id=name,
        dataset_id=owner.id,
        representation_id=representation.id if representation else None,
        backbone=config.backbone,
        method=config.method,
        loss=config.loss,
        seed=config.seed,
        config=config.model_dump(),
        config_key=key,
        state="training",
        trainable_parameters=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        device=device,
        protocol=trainer.protocol.model_dump(),
        code_version=__version__,
        folder=f"runs/{name}",
    )
    folder = workspace.path(run.folder)
    folder.mkdir(parents=True)
    with artifacts.locked(folder):
        with workspace.session() as session:
            session.add(run)
        yield run


def _keep_epoch(workspace: Workspace, run: RunRow, trainer: Trainer, record: EpochRecord, progress: Progress) -> None:
    """Checkpoint first, row second: a crash in between repeats nothing, as the row is merged by its epoch."""
    arrays = {name: tensor.cpu().numpy() for name, tensor in trainer.state().items()}
    artifacts.save_arrays(
        workspace.path(run.folder) / "checkpoint.safetensors",
        arrays,
        {"progress": json.dumps(trainer.progress.to_json())},
    )
    with workspace.session() as session:
        for past in trainer.progress.history[-2:]:
            session.merge(
                RunEpochRow(run_id=run.id, epoch=past.epoch, losses=past.losses, valid=past.valid, seconds=past.seconds)
            )
        stored, _ = rows.find_run(session, run.id)
        stored.epochs_done, stored.best_epoch = trainer.progress.epochs_done, trainer.progress.best_epoch
    valid = record.valid[training.STOPPING_METRIC]
    progress(
        record.epoch,
        trainer.config.epochs,
        f"epoch {record.epoch}: loss {record.losses['total']:.4f}, validation {training.STOPPING_METRIC} {valid:.4f} "
        f"(best {trainer.progress.best_score:.4f} in epoch {trainer.progress.best_epoch}), {record.seconds:.2f} s",
    )


def _restore(folder: Path, trainer: Trainer) -> None:
    path = folder / "checkpoint.safetensors"
    tensors = {name: torch.from_numpy(array) for name, array in artifacts.load_arrays(path).items()}
    progress = training.Progress.from_json(json.loads(artifacts.load_metadata(path)["progress"]))
    trainer.resume(tensors, progress)


def _measure(
    model: SequenceRecommender, dataset: Dataset, negatives: ItemArray, protocol: Protocol
) -> dict[str, dict[str, dict[str, float]]]:
    scorer = TableScorer(model)
    measured: dict[str, dict[str, dict[str, float]]] = {}
    parts: tuple[Part, ...] = ("valid", "test")
    for part in parts:
        ranks = rank_targets(scorer, dataset, negatives, part, protocol)
        measured[part] = {"full": metrics(ranks.full), f"sampled{protocol.negatives}": metrics(ranks.sampled)}
    return measured


def _finish(workspace: Workspace, run: RunRow, trainer: Trainer, measured: dict[str, Any], peak_mb: float) -> None:
    folder = workspace.path(run.folder)
    weights = {name: tensor.cpu().numpy() for name, tensor in trainer.best.items()}
    artifacts.save_arrays(folder / "model.safetensors", weights)
    with workspace.session() as session:
        stored, _ = rows.find_run(session, run.id)
        stored.state, stored.error = "done", None
        stored.epochs_done, stored.best_epoch = trainer.progress.epochs_done, trainer.progress.best_epoch
        stored.seconds_per_epoch = float(np.median([record.seconds for record in trainer.progress.history]))
        stored.peak_memory_mb = peak_mb
        stored.metrics = measured
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def _set_state(workspace: Workspace, run: RunRow, state: str, error: str | None) -> None:
    with workspace.session() as session:
        stored, _ = rows.find_run(session, run.id)
        stored.state, stored.error = state, error
