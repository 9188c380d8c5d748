"""The verbs `train` and `evaluate`: a run is one trained recommender with its configuration, curves and metrics.

What they ask and answer is here; how a run is trained is in `fitting`, which is imported when one is (it needs
torch, and pages that only show runs should not wait for it).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator
from sqlalchemy.orm import object_session

from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow
from genair_engine.training.config import TrainingConfig
from genair_engine.verbs.base import Progress, Request, Result, positional, silent
from genair_engine.workspace import Workspace


class TrainRequest(TrainingConfig):
    """Train a recommender and evaluate it."""

    dataset: str = positional("data set")
    representation: str | None = Field(None, description="item representation made by `represent`; method id needs none")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")

    @model_validator(mode="wrap")
    @classmethod
    def _remember_what_was_given(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """`model_fields_set` names what the caller gave, not what backbone and preset filled in (`sweep` builds on that)."""
        made = handler(given)
        if isinstance(given, dict):
            object.__setattr__(made, "__pydantic_fields_set__", set(given))
        return made

    def config(self) -> TrainingConfig:
        return TrainingConfig(**self.model_dump(include=set(TrainingConfig.model_fields)))


class EvaluateRequest(Request):
    """Evaluate a trained run again, from its stored weights."""

    run: str = positional("run")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class RunResult(Result):
    """A run with its metrics: metrics.{valid,test}.{full,sampled100}.{HR@10, NDCG@10, MRR@10, …}.

    Beside the protocols, metrics.{valid,test} holds "groups" ({popularity,history} → protocol → group → users and metrics)
    and "beyond" (coverage, novelty, popularity of the top 10); runs of earlier versions have neither.
    deviations: in words, where configuration and representation are not the paper's (`deviations_of`). efficiency: FLOPs (a
    multiply-add is 2) of scoring one session of `length` items (`session`) and of computing the item table (`table`).
    peak_memory_mb: largest resident memory of the process while it trained (GPU memory on a GPU). seconds_per_epoch:
    median over epochs, validation not counted. protocol, config and representation say how the numbers were obtained.
    """

    run: str
    dataset: str
    representation: str | None
    state: str
    config: dict[str, Any]
    deviations: list[str]
    protocol: dict[str, Any]
    device: str
    trainable_parameters: int
    efficiency: dict[str, int]
    epochs: int
    best_epoch: int
    seconds_per_epoch: float
    peak_memory_mb: float
    metrics: dict[str, dict[str, Any]]
    created_at: datetime

    def lines(self) -> list[str]:
        table = [
            f"  {part:5} {protocol:10} " + "  ".join(f"{name} {values[name]:.4f}" for name in ("HR@10", "NDCG@10", "MRR@10"))
            for part, protocols in self.metrics.items()
            for protocol, values in protocols.items()
            if is_protocol(protocol)
        ]
        return [
            f"Run {self.run} on {self.dataset}: {self.config['backbone']} with {self.config['method']}, loss "
            f"{self.config['loss']}, seed {self.config['seed']}; best of {self.epochs} epochs: {self.best_epoch}.",
            *self._departures(),
            *table,
            *self._beyond(),
            f"  {self.trainable_parameters:,} trainable parameters, {self.seconds_per_epoch:.2f} s an epoch, peak memory "
            f"{self.peak_memory_mb:,.0f} MB on {self.device}.",
            *self._inference(),
            f"  Protocol: {protocol_in_words(self.protocol)}.",
        ]

    def _departures(self) -> list[str]:
        if not self.deviations:
            return []
        return [f"  Preset {self.config.get('preset', 'corrected')}, not as in the paper: {'; '.join(self.deviations)}."]

    def _beyond(self) -> list[str]:
        beyond = self.metrics.get("test", {}).get("beyond")
        return ["  test  top 10     " + "  ".join(f"{name} {value:.4f}" for name, value in beyond.items())] if beyond else []

    def _inference(self) -> list[str]:
        if not self.efficiency:
            return []
        return [
            f"  Inference: {self.efficiency['session'] / 1e6:,.2f} MFLOPs for a session of {self.efficiency['length']} items "
            f"against the whole catalogue, {self.efficiency['table'] / 1e6:,.2f} MFLOPs once for the item table (a "
            "multiply-add is 2 FLOPs)."
        ]


def protocol_in_words(protocol: dict[str, Any]) -> str:
    """How ranks were obtained, for a line beside the numbers."""
    return (
        f"{protocol['split']}, full ranking {'without' if protocol['exclude_seen'] else 'with'} seen items, "
        f"{protocol['negatives']} negatives a user drawn once (seed {protocol['negatives_seed']}), ties count half"
    )


def is_protocol(name: str) -> bool:
    """Whether this key of a part's metrics is an evaluation protocol: "full" or "sampled100"."""
    return name == "full" or name.startswith("sampled")


def train(workspace: Workspace, request: TrainRequest, progress: Progress = silent) -> RunResult:
    """Train, keep the best epoch's weights, and evaluate them on validation and test items.

    Goes on with an interrupted run of the same request. Raises InputError where method and representation do not fit,
    NonFiniteError when training diverges; the run is then marked as failed with the reason.
    """
    from genair_engine.verbs.training import fitting

    return run_result(workspace, fitting.train(workspace, request, progress))


def evaluate(workspace: Workspace, request: EvaluateRequest, progress: Progress = silent) -> RunResult:
    """A finished run with its metrics measured anew under its stored protocol. Raises NotFoundError, InputError."""
    from genair_engine.verbs.training import fitting

    measured = fitting.evaluate(workspace, request, progress)
    return run_result(workspace, request.run).model_copy(update={"metrics": measured})


def run_result(workspace: Workspace, name: str) -> RunResult:
    """A run as it stands in the workspace. Raises NotFoundError."""
    with workspace.reading() as session:
        return to_result(*rows.find_run(session, name))


def deviations_of(run: RunRow) -> list[str]:
    """`TrainingConfig.deviations` of a run, also of one that today's checks would refuse, and those of its representation.

    The row's session must be open: the representation is looked up in it.
    """
    config, session = TrainingConfig.model_construct(**run.config), object_session(run)
    reads = session is not None and run.representation_id is not None
    return deviations_with(config, session.get(RepresentationRow, run.representation_id) if session and reads else None)


def deviations_with(config: TrainingConfig, representation: RepresentationRow | None) -> list[str]:
    """`TrainingConfig.deviations`, and those of the representation that is read."""
    found = config.deviations()
    if representation is not None and "title" in representation.dims and config.without != "title":
        found.append("titles as one more part of the representation (extension)")
    return found


def to_result(run: RunRow, owner: DatasetRow) -> RunResult:
    """A run with its data set as a result, while the rows' session is open."""
    return RunResult(
        run=run.id,
        dataset=owner.name,
        representation=run.representation_id,
        state=run.state,
        config=run.config,
        deviations=deviations_of(run),
        protocol=run.protocol,
        device=run.device,
        trainable_parameters=run.trainable_parameters or 0,
        efficiency=run.efficiency,
        epochs=run.epochs_done,
        best_epoch=run.best_epoch or 0,
        seconds_per_epoch=run.seconds_per_epoch or 0.0,
        peak_memory_mb=run.peak_memory_mb or 0.0,
        metrics=run.metrics,
        created_at=run.created_at,
    )
