"""How a run is trained: claimed or resumed, checkpointed after every epoch, measured, kept.

After every epoch the checkpoint becomes an artifact and the epoch a row. The same request again resumes a run that was
interrupted, from its last complete epoch and with the same result as if it had never stopped (on the CPU, bit by bit).

Under torchrun all processes train the run together: the first one claims it, tells the others whether to go on from its
checkpoint, and is the only one that writes. A process that fails leaves, and torchrun then ends the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from sqlalchemy.orm import Session

from genair_engine import __version__
from genair_engine.devices import enough_memory, peak_memory, pick_device
from genair_engine.errors import NonFiniteError, WorkspaceError
from genair_engine.evaluation.protocol import Protocol
from genair_engine.methods.config import build_recommender, fit
from genair_engine.methods.recommender import TableRecommender
from genair_engine.store import artifacts
from genair_engine.store import runs as rows
from genair_engine.store.keys import new_id
from genair_engine.store.metrics import save_metrics
from genair_engine.store.tables import RunEpochRow, RunInputRow, RunRow
from genair_engine.training import trainer as training
from genair_engine.training.efficiency import InferenceFlops, inference_flops, trainable_parameters
from genair_engine.training.processes import joined
from genair_engine.training.trainer import EpochRecord, Trainer
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.evaluation.measure import RANKS, Measured, measure, save_ranks
from genair_engine.verbs.training.checks import RunPlan, check
from genair_engine.verbs.training.load import MODEL, initial_model, load_finished, load_inputs
from genair_engine.verbs.training.requests import EvaluateRequest, TrainRequest
from genair_engine.verbs.training.results import RunResult
from genair_engine.verbs.training.runs import run_result
from genair_engine.workspace import Workspace

CHECKPOINT = "checkpoint.safetensors"


def plan(workspace: Workspace, request: TrainRequest, processes: int = 1) -> RunPlan:
    """What a request asks for on the device that it comes to, checked; trains nothing.

    Raises NotFoundError, ModelError for a device that is not there, InputError where the method's inputs do not fit.
    """
    asked, device = check(workspace, request), pick_device(request.device)
    if not asked.config.definition.tags.trained:
        return replace(asked, device="cpu")
    return replace(asked, device=str(device) if processes == 1 else f"{processes} × {device.type}")


def train(workspace: Workspace, request: TrainRequest, progress: Progress = silent) -> RunResult:
    """Train, keep the best epoch's weights, and evaluate them on validation and test items.

    A method without training is fitted, in seconds, and is a run like any other. Goes on with an interrupted run of the same
    request. Raises InputError where the method's inputs do not fit, ModelError where a GPU's memory is too small,
    NonFiniteError when training diverges; the run is then marked as failed with the reason.
    """
    if workspace.settings.threads:
        torch.set_num_threads(workspace.settings.threads)
    if not request.config().definition.tags.trained:
        return run_result(workspace, _fit(workspace, plan(workspace, request), progress))
    size = request.config().training.batch_size
    advice = f"Lower the batch size (now {size:,}), or use a GPU with more free memory, or the CPU."
    with enough_memory(advice), joined() as processes:
        asked = plan(workspace, request, processes.world)
        dataset, inputs = workspace.load_dataset(request.dataset), load_inputs(workspace, asked.inputs)
        model = initial_model(asked.config, dataset.n_items, inputs)
        flops = inference_flops(model)
        device = processes.device(pick_device(request.device))
        trainer = Trainer(model, dataset, asked.config, inputs, device=device, processes=processes)
        if processes.first:
            run = processes.tell(_lead(workspace, asked, trainer, flops, progress))
        else:
            folder, resumed = processes.tell(("", False))
            if resumed:
                _restore(workspace, folder, trainer)
            trainer.fit()
            run = processes.tell("")
    return run_result(workspace, run)


def _fit(workspace: Workspace, asked: RunPlan, progress: Progress) -> str:
    """Counts, measures and keeps what needs no training; returns the run's id. An interrupted run begins anew."""
    progress(0, 2, "counting")
    dataset, inputs = workspace.load_dataset(asked.owner.name), load_inputs(workspace, asked.inputs)
    fitted = fit(asked.config, dataset, inputs)
    recommender = build_recommender(asked.config, dataset.n_items, inputs, fitted)
    protocol = Protocol()
    with _claim(workspace, asked, protocol) as (run, _):
        try:
            progress(1, 2, "ranking validation and test items")
            measured = measure(recommender, dataset, workspace.negatives(asked.owner.name), protocol)
            _keep(workspace, run, fitted, measured)
            with workspace.session() as session:
                _change(session, workspace, run, state="done")
                save_metrics(session, run.id, measured.metrics)
            progress(2, 2, "measured")
        except NonFiniteError as error:
            _end_early(workspace, run, "failed", str(error))
            raise
        except BaseException:
            _end_early(workspace, run, "stopped")
            raise
    return run.id


def _lead(workspace: Workspace, asked: RunPlan, trainer: Trainer, flops: InferenceFlops, progress: Progress) -> str:
    """Trains as the process that keeps the run; returns the run's id."""
    parameters = trainable_parameters(trainer.model)
    with _claim(workspace, asked, trainer.protocol, parameters, asdict(flops)) as (run, resumed):
        try:
            trainer.processes.tell((run.folder, resumed))
            if resumed:
                _restore(workspace, run.folder, trainer)
            epochs = trainer.most_epochs
            progress(trainer.progress.epochs_done, epochs, "going on with the next epoch" if resumed else "first epoch")
            with peak_memory(trainer.device) as peak:
                trainer.fit(lambda record: _keep_epoch(workspace, run, trainer, record, progress))
                progress(epochs, epochs, "ranking validation and test items with the best epoch")
                negatives = workspace.negatives(asked.owner.name)
                measured = measure(TableRecommender(trainer.model), trainer.dataset, negatives, trainer.protocol)
            _finish(workspace, run, trainer, measured, peak.megabytes)
        except NonFiniteError as error:
            _end_early(workspace, run, "failed", str(error))
            raise
        except BaseException:  # a busy database, a full disk, an interruption: the checkpoint is good, go on later
            _end_early(workspace, run, "stopped")
            raise
    return run.id


def evaluate(workspace: Workspace, request: EvaluateRequest, progress: Progress = silent) -> RunResult:
    """A finished run with its metrics measured anew under its stored protocol; what the run itself holds stays.

    Only the ranks of single users are added to a run that has none yet. Raises NotFoundError, InputError.
    """
    finished = load_finished(workspace, request.run, request.device)
    run, name = finished.run, finished.owner.name
    progress(0, 1, "ranking")
    with enough_memory("Use a GPU with more free memory, or the CPU."):
        negatives = workspace.negatives(name)
        measured = measure(finished.recommender, workspace.load_dataset(name), negatives, Protocol(**run.protocol))
    ranks = f"{run.folder}/{RANKS}"
    if not workspace.fetch(ranks, optional=True).exists():
        save_ranks(workspace.path(run.folder), measured)
        workspace.publish(ranks)
    progress(1, 1, "evaluated")
    return run_result(workspace, run.id).model_copy(update={"metrics": measured.metrics})


@contextmanager
def _claim(
    workspace: Workspace, asked: RunPlan, protocol: Protocol, parameters: int = 0, efficiency: dict[str, int] | None = None
) -> Iterator[tuple[RunRow, bool]]:
    """The unfinished run of this configuration and True, or else a new one and False; held by a lock.

    The lock belongs to the process and vanishes with it: a run that another live process trains is never touched. Where the
    workspace is a URL it tells of this machine's processes only; there the database tells of the jobs of others.
    """
    owner, config = asked.owner, asked.config
    with workspace.reading() as session:
        unfinished = list(rows.runs_of_key(session, owner.id, asked.key, rows.UNFINISHED))
    for run in unfinished:
        with artifacts.locked(workspace.path(run.folder)) as locked:
            if not locked:
                continue
            with workspace.session() as session:  # another process may have finished it before the lock was ours
                if not rows.claim_run(session, run.id, workspace.job):
                    continue
            try:
                checkpoint = workspace.fetch(f"{run.folder}/{CHECKPOINT}", optional=True)
            except BaseException:
                _end_early(workspace, run, "stopped")
                raise
            yield run, checkpoint.exists()  # none: killed in its first epoch, begins anew
            return
    name = "-".join(part for part in (config.backbone, config.method, new_id()[:8]) if part)
    run = RunRow(
        id=name,
        dataset_id=owner.id,
        inputs=[RunInputRow.of(given.role, given.kind, given.id) for given in asked.inputs],
        job_id=workspace.job,
        backbone=config.backbone or "",
        method=config.method,
        loss=config.loss or "",
        seed=config.seed if config.backbone else 0,
        config=config.flat(),
        config_key=asked.key,
        state="training",
        trainable_parameters=parameters,
        efficiency=efficiency or {},
        device=asked.device,
        protocol=protocol.model_dump(),
        code_version=__version__,
        folder=f"runs/{name}",
    )
    folder = workspace.path(run.folder)
    folder.mkdir(parents=True)
    with artifacts.locked(folder):
        with workspace.session() as session:
            session.add(run)
        yield run, False


def _keep_epoch(workspace: Workspace, run: RunRow, trainer: Trainer, record: EpochRecord, progress: Progress) -> None:
    """Checkpoint first, row second: a crash in between repeats nothing, as the row is merged by its epoch."""
    arrays = {name: tensor.cpu().numpy() for name, tensor in trainer.state().items()}
    name = f"{run.folder}/{CHECKPOINT}"
    artifacts.save_arrays(workspace.path(name), arrays, {"progress": json.dumps(trainer.progress.to_json())})
    workspace.publish(name)
    with workspace.session() as session:
        _change(session, workspace, run, epochs_done=trainer.progress.epochs_done, best_epoch=trainer.progress.best_epoch)
        _merge_epochs(session, run, trainer.progress.history[-2:])
    stage = f"{record.stage}, " if len(trainer.stages) > 1 else ""
    validation = ""
    if record.valid:
        validation = (
            f"validation {training.STOPPING_METRIC} {record.valid[training.STOPPING_METRIC]:.4f} "
            f"(best {trainer.progress.best_score:.4f} in epoch {trainer.progress.best_epoch}), "
        )
    what = f"{stage}epoch {record.epoch}: loss {record.losses['total']:.4f}, {validation}{record.seconds:.2f} s"
    progress(record.epoch, trainer.most_epochs, what)


def _merge_epochs(session: Session, run: RunRow, records: list[EpochRecord]) -> None:
    for epoch in records:
        values = {"losses": epoch.losses, "valid": epoch.valid, "seconds": epoch.seconds, "stage": epoch.stage}
        session.merge(RunEpochRow(run_id=run.id, epoch=epoch.epoch, **values))


def _restore(workspace: Workspace, folder: str, trainer: Trainer) -> None:
    path = workspace.fetch(f"{folder}/{CHECKPOINT}")
    tensors = {name: torch.from_numpy(array) for name, array in artifacts.load_arrays(path).items()}
    progress = training.Progress.from_json(json.loads(artifacts.load_metadata(path)["progress"]))
    trainer.resume(tensors, progress)


def _finish(workspace: Workspace, run: RunRow, trainer: Trainer, measured: Measured, peak_mb: float) -> None:
    _keep(workspace, run, {name: tensor.cpu().numpy() for name, tensor in trainer.best.items()}, measured)
    with workspace.session() as session:
        _change(
            session,
            workspace,
            run,
            state="done",
            epochs_done=trainer.progress.epochs_done,
            best_epoch=trainer.progress.best_epoch,
            seconds_per_epoch=float(np.median([record.seconds for record in trainer.progress.history])),
            peak_memory_mb=peak_mb,
        )
        save_metrics(session, run.id, measured.metrics)
        _merge_epochs(session, run, trainer.progress.history)  # the last row may be missing: killed after its checkpoint
    workspace.discard(f"{run.folder}/{CHECKPOINT}")


def _keep(workspace: Workspace, run: RunRow, arrays: Mapping[str, Any], measured: Measured) -> None:
    """What the recommender is made of, if anything, and the ranks of single users."""
    folder = workspace.path(run.folder)
    if arrays:
        artifacts.save_arrays(folder / MODEL, arrays)
    save_ranks(folder, measured)
    workspace.publish(run.folder)


def _change(session: Session, workspace: Workspace, run: RunRow, **values: Any) -> None:
    """Raises WorkspaceError where the run is no longer this process's: its job was given back, or another has the run."""
    if not rows.change_run(session, run.id, workspace.job, **values):
        raise WorkspaceError(
            f"Run {run.id} was taken from this process, which ends: look for it among the runs, or train again."
        )


def _end_early(workspace: Workspace, run: RunRow, state: str, error: str | None = None) -> None:
    """Marks the run, if it is still this process's."""
    with workspace.session() as session:
        rows.change_run(session, run.id, workspace.job, state=state, error=error)
