"""The trainer: stages of epochs, early stopping, and a state that resumes exactly where it stopped.

What is validated and kept is a running average of the weights over steps (Polyak averaging, as in most modern training
recipes; `averaging` 0 switches it off): it damps the noise of the last few batches, at no cost in serving.

Most methods train in one stage. A method with several (pretraining, main, repair) gets a new optimiser, average and best score
for each, and a stage begins with the weights that the one before it has kept. Epochs are counted over all stages.

All randomness of an epoch (batch order, negatives, dropout) is seeded from (seed, epoch): the state needs no generator
states, and a run resumed from a checkpoint equals an uninterrupted one bit by bit on the CPU with as many threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import NonFiniteError
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Protocol, evaluate
from genair_engine.methods.base import TrainContext
from genair_engine.methods.config import RunConfig
from genair_engine.methods.recommender import SequenceRecommender, TableRecommender
from genair_engine.methods.stages import Stage
from genair_engine.models.batch import Batch, Batches
from genair_engine.training.objective import Objective, batch_source, ranking_loss
from genair_engine.training.processes import Processes

STOPPING_METRIC = "NDCG@10"

CHECK_EVERY = 16
"""Steps between two looks at the losses: reading a value waits for the device."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave. losses: means over steps ("rank", "calibration", "total"); seconds exclude validation. stage: the
    name of the stage that it belongs to."""

    epoch: int
    losses: dict[str, float]
    valid: dict[str, float]
    seconds: float
    stage: str = "main"


@dataclass
class Progress:
    """Where a run stands; JSON-serialisable, stored with the checkpoint.

    epochs_done and best_epoch are counted over all stages. stage: place of the stage that trains. before: epochs of the stages
    before it. best_epoch, best_score: of this stage.
    """

    epochs_done: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    stage: int = 0
    before: int = 0
    history: list[EpochRecord] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Progress:
        fields = dict(data)
        history = [EpochRecord(**record) for record in fields.pop("history")]  # type: ignore[attr-defined]
        return cls(**fields, history=history)  # type: ignore[arg-type]


class Trainer:
    """Trains `model` on the training part of `dataset`, as its configuration and its method say.

    inputs: what the method's losses and hooks read, by role. protocol: how validation ranks are obtained (full ranking; the
    sampled protocol is for finished runs). processes: others that train the same model with the same arguments at the same
    time. On a GPU a transformer is compiled, and matrix products are in bfloat16 unless the configuration says float32.
    """

    def __init__(
        self,
        model: SequenceRecommender,
        dataset: Dataset,
        config: RunConfig,
        inputs: Mapping[str, Any] | None = None,
        protocol: Protocol | None = None,
        device: str | torch.device = "cpu",
        processes: Processes | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device)
        self.dataset = dataset
        self.config = config
        self.method = config.definition
        self.context: TrainContext[Any] = TrainContext(self.model, dataset, config.options, self.device, inputs or {})
        self.protocol = protocol or Protocol()
        self.processes = processes or Processes()
        self.progress = Progress()
        on_gpu = self.device.type == "cuda"
        self.bfloat16 = config.training.precision == "bfloat16" or (config.training.precision == "auto" and on_gpu)
        if on_gpu and self.model.backbone.compiles:
            self.model.backbone.compile(dynamic=True)  # in place: names of weights stay
        self.stages = tuple(self.method.stages(config.options, config.training))
        self.begin(0)

    def begin(self, stage: int) -> None:
        """Make a stage ready: its batches, losses and optimiser, with the model's weights as they are."""
        self.stage: Stage = self.stages[stage]
        train = self.dataset.split.train
        self.batches: Batches = self.method.batches(self.context, self.stage) or batch_source(train, self.model, self.config)
        ranking = ranking_loss(train, self.model, self.config, self.device) if self.stage.ranks else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed + stage)  # parameters that extra losses have of their own
            extras = self.method.losses(self.context, self.stage)
        rank, world = self.processes.rank, self.processes.world
        self._objective = Objective(self.model, ranking, extras, self.device, rank, world).to(self.device)
        self.objective: nn.Module = self._objective
        if world > 1:
            self.objective = DistributedDataParallel(self._objective, forward_sync_buffers=False)
        self.average = _copy(self.model)  # from here on all processes hold the first one's weights
        self.best = self.average
        self.optimizer = torch.optim.AdamW(self._decay_groups(), lr=self.stage.learning_rate, fused=True)
        before = self.progress.epochs_done
        self.progress = Progress(before, before, -1.0, stage, before, self.progress.history)

    @property
    def most_epochs(self) -> int:
        """Of all stages, should none stop early."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def finished(self) -> bool:
        """Whether the last stage is over."""
        return self._stage_is_over and self.progress.stage == len(self.stages) - 1

    @property
    def _stage_is_over(self) -> bool:
        """All its epochs done, or no better validation score for `patience` of them."""
        done = self.progress.epochs_done - self.progress.before
        without_a_better = self.progress.epochs_done - self.progress.best_epoch
        return done >= self.stage.epochs or (self.stage.validates and without_a_better >= self.stage.patience)

    def fit(self, on_epoch: Callable[[EpochRecord], None] | None = None) -> Progress:
        """Train until finished; the model then holds the weights that the last stage has kept.

        on_epoch: called after each epoch, when `state()` is a complete checkpoint; an exception from it stops the run.
        Raises NonFiniteError, naming the step and the cause, as soon as a loss is not finite.
        """
        while not self.finished:
            if self._stage_is_over:
                self.model.load_state_dict(self.best)
                self.begin(self.progress.stage + 1)
                continue  # a stage of no epochs is over before it begins
            record = self._epoch(self.progress.epochs_done + 1)
            self.progress.history.append(record)
            self.progress.epochs_done = record.epoch
            score = record.valid.get(STOPPING_METRIC, math.inf)
            if score > self.progress.best_score or not self.stage.validates:
                self.progress.best_score = score if self.stage.validates else -1.0
                self.progress.best_epoch = record.epoch
                self.best = {name: value.cpu().clone() for name, value in self.average.items()}
            if on_epoch is not None:
                on_epoch(record)
        self.model.load_state_dict(self.best)
        return self.progress

    def validate(self) -> dict[str, float]:
        """Full-ranking metrics of the averaged weights on the validation items; the first process's, in all. {} in a stage
        that is not validated."""
        measured: dict[str, float] = {}
        if self.stage.validates and self.processes.first:
            live = _copy(self.model)
            self.model.load_state_dict(self.average)
            ranks = evaluate(TableRecommender(self.model), self.dataset, None, "valid", self.protocol)
            self.model.load_state_dict(live)
            measured = metrics(ranks.full)
        return self.processes.tell(measured)

    def state(self) -> dict[str, Tensor]:
        """Tensors of a checkpoint: "model.*", "average.*", "best.*", "extras.*" (the extra losses' own parameters) and
        "optimizer.*"; `progress` completes it."""
        tensors = {f"model.{name}": value for name, value in _copy(self.model).items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        tensors |= {f"extras.{name}": value for name, value in _copy(self._objective.extras).items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": value.clone() for slot, value in slots.items()}
        return tensors

    def resume(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Go on from `state()` and `progress` of a run with the same configuration and data."""
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in ("model", "average", "best", "extras", "optimizer")}
        for name, value in tensors.items():
            part, key = name.split(".", 1)
            parts[part][key] = value
        self.model.load_state_dict(parts["model"])
        self.progress = progress
        self.begin(progress.stage)
        self.progress = progress
        self._objective.extras.load_state_dict(parts["extras"])
        self.average = {name: parts["average"][name].to(self.device) for name in self.model.state_dict()}
        self.best = parts["best"]
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in parts["optimizer"].items():
            index, slot = key.split(".", 1)
            slots.setdefault(int(index), {})[slot] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})

    def _epoch(self, epoch: int) -> EpochRecord:
        self.model.train()
        self._objective.epoch = epoch
        in_stage = epoch - self.progress.before
        rng = np.random.default_rng([self.config.seed, epoch])
        watch = _LossWatch(self.device)
        started = time.perf_counter()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            seed = int(rng.integers(2**62))
            torch.manual_seed(seed)
            self._before_epoch(epoch)  # the same in all processes
            torch.manual_seed(seed + self.processes.rank)
            for step, batch in enumerate(self.batches.epoch(rng, self.device), start=1):
                self._set_learning_rate(in_stage - 1 + step / len(self.batches))
                watch.add(self.step(batch))
                self.average_weights((in_stage - 1) * len(self.batches) + step)
                if step % CHECK_EVERY == 0 or step == len(self.batches):
                    self._require_finite(watch, epoch)
        if not self.stage.averaging:
            self.average = _copy(self.model)
        means = self.processes.mean(watch.sums / len(self.batches)).tolist()
        seconds = time.perf_counter() - started
        losses = dict(zip(watch.names, means, strict=True))
        return EpochRecord(epoch, losses, self.validate(), seconds, self.stage.name)

    @torch.no_grad()
    def _before_epoch(self, epoch: int) -> None:
        """The method's hook. What it writes into the weights, the running average gets too, which would follow only slowly."""
        before = _copy(self.model)
        self.method.before_epoch(self.context, self.stage, epoch)
        for name, value in self.model.state_dict().items():
            if not torch.equal(value, before[name]):
                self.average[name] += value - before[name]

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step on a batch; returns the detached loss parts."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            parts = self.objective(batch)
        self.optimizer.zero_grad(set_to_none=True)
        parts["total"].backward()
        self.optimizer.step()
        return {name: value.detach() for name, value in parts.items()}

    def _set_learning_rate(self, epochs: float) -> None:
        """For the step that completes this many epochs of the stage; a function of nothing else, so that a resumed run is the
        same."""
        factor = 1.0
        if self.stage.schedule == "cosine":
            factor = min(1.0, epochs) * (1 + math.cos(math.pi * epochs / self.stage.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = self.stage.learning_rate * factor

    @torch.no_grad()
    def average_weights(self, steps: int) -> None:
        """After the stage's `steps`-th step. The decay grows to its value, so that random first weights are forgotten."""
        if not self.stage.averaging:
            return
        decay = min(self.stage.averaging, (1 + steps) / (10 + steps))
        weights = self.model.state_dict()
        torch._foreach_lerp_(list(self.average.values()), list(weights.values()), 1.0 - decay)

    def _decay_groups(self) -> list[dict[str, Any]]:
        """What the stage trains, by weight decay: the model's parameters and the extra losses' own.

        A loss may hold more than its own: a frozen teacher, or the model, for a second view of a batch.
        """
        of_model = {id(parameter) for parameter in self.model.parameters()}
        of_losses = [parameter for parameter in self._objective.extras.parameters() if parameter.requires_grad]
        own = [parameter for parameter in of_losses if id(parameter) not in of_model]
        trained = [*self.method.trained(self.context, self.stage), *own]
        added = {id(parameter) for parameter in self.model.added_vectors()}
        groups = (
            ([parameter for parameter in trained if id(parameter) not in added], self.stage.weight_decay),
            ([parameter for parameter in trained if id(parameter) in added], self.config.training.residual_decay),
        )
        return [{"params": parameters, "weight_decay": decay} for parameters, decay in groups if parameters]

    def _require_finite(self, watch: _LossWatch, epoch: int) -> None:
        diverged = watch.first_bad(self.processes)
        if diverged is not None:
            name, step = diverged
            weights = "".join(f" or a smaller weight of the {loss.name} loss" for loss in self._objective.losses)
            raise NonFiniteError(
                f"Training diverged in epoch {epoch}, step {step} of {len(self.batches)}: the {name} loss is not finite. "
                f"Try a smaller learning rate than {self.stage.learning_rate}{weights}."
            )


class _LossWatch:
    """Sums of an epoch's losses, and the first step at which one was not finite, without waiting for the device."""

    NEVER = 2**62

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.names: list[str] = []
        self.steps = 0
        self.sums = torch.zeros(0, device=device)
        self.bad = torch.zeros(0, dtype=torch.int64, device=device)  # step, NEVER = none so far

    def add(self, parts: dict[str, Tensor]) -> None:
        values = torch.stack([value.float() for value in parts.values()])
        if not self.names:
            self.names = list(parts)
            self.sums, self.bad = torch.zeros_like(values), torch.full_like(values, self.NEVER, dtype=torch.int64)
        self.steps += 1
        self.sums += values
        self.bad = torch.where(torch.isfinite(values), self.bad, self.bad.clamp(max=self.steps))

    def first_bad(self, processes: Processes) -> tuple[str, int] | None:
        """The loss that stopped being finite first, in whichever process, and its step: the same answer in all of them."""
        steps = processes.least(self.bad).tolist()
        diverged = [(step, name) for name, step in zip(self.names, steps, strict=True) if step < self.NEVER]
        if not diverged:
            return None
        step, name = min(diverged, key=lambda pair: pair[0])
        return name, step


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
