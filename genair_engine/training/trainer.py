"""The trainer: epochs, early stopping, and a state that resumes exactly where it stopped.

What is validated and kept is a running average of the weights over steps (Polyak averaging, as in most modern training
recipes; `averaging` 0 switches it off): it damps the noise of the last few batches, at no cost in serving.

All randomness of an epoch (batch order, negatives, dropout) is seeded from (seed, epoch): the state needs no generator
states, and a run resumed from a checkpoint equals an uninterrupted one bit by bit on the CPU with as many threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import NonFiniteError
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Protocol, evaluate
from genair_engine.methods.recommender import SequenceRecommender, TableRecommender
from genair_engine.training.batches import Batch
from genair_engine.training.config import TrainingConfig
from genair_engine.training.objective import Objective, batch_source
from genair_engine.training.processes import Processes

STOPPING_METRIC = "NDCG@10"

CHECK_EVERY = 16
"""Steps between two looks at the losses: reading a value waits for the device."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave. losses: means over steps ("rank", "calibration", "total"); seconds exclude validation."""

    epoch: int
    losses: dict[str, float]
    valid: dict[str, float]
    seconds: float


@dataclass
class Progress:
    """Where a run stands; JSON-serialisable, stored with the checkpoint."""

    epochs_done: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    history: list[EpochRecord] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Progress:
        fields = dict(data)
        history = [EpochRecord(**record) for record in fields.pop("history")]  # type: ignore[attr-defined]
        return cls(**fields, history=history)  # type: ignore[arg-type]


class Trainer:
    """Trains `model` on the training part of `dataset`.

    protocol: how validation ranks are obtained (full ranking; the sampled protocol is for finished runs).
    processes: others that train the same model with the same arguments at the same time. On a GPU a transformer is
    compiled, and matrix products are in bfloat16 unless the configuration says float32.
    """

    def __init__(
        self,
        model: SequenceRecommender,
        dataset: Dataset,
        config: TrainingConfig,
        protocol: Protocol | None = None,
        device: str | torch.device = "cpu",
        processes: Processes | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device)
        self.dataset = dataset
        self.config = config
        self.protocol = protocol or Protocol()
        self.processes = processes or Processes()
        self.progress = Progress()
        on_gpu = self.device.type == "cuda"
        self.bfloat16 = config.precision == "bfloat16" or (config.precision == "auto" and on_gpu)
        if on_gpu and self.model.backbone.compiles:
            self.model.backbone.compile(dynamic=True)  # in place: names of weights stay
        train = dataset.split.train
        self.batches = batch_source(train, self.model, config)
        rank, world = self.processes.rank, self.processes.world
        self.objective: nn.Module = Objective(self.model, train, config, self.device, rank, world)
        if world > 1:
            self.objective = DistributedDataParallel(self.objective, forward_sync_buffers=False)
        self.average = _copy(self.model)  # from here on all processes hold the first one's weights
        self.best = self.average
        self.optimizer = torch.optim.AdamW(_decay_groups(self.model, config), lr=config.learning_rate, fused=True)

    @property
    def finished(self) -> bool:
        """All epochs done, or no better validation score for `patience` epochs."""
        done = self.progress.epochs_done
        return done >= self.config.epochs or done - self.progress.best_epoch >= self.config.patience

    def fit(self, on_epoch: Callable[[EpochRecord], None] | None = None) -> Progress:
        """Train until finished; the model then holds the weights of the best epoch.

        on_epoch: called after each epoch, when `state()` is a complete checkpoint; an exception from it stops the run.
        Raises NonFiniteError, naming the step and the cause, as soon as a loss is not finite.
        """
        while not self.finished:
            record = self._epoch(self.progress.epochs_done + 1)
            self.progress.history.append(record)
            self.progress.epochs_done = record.epoch
            if record.valid[STOPPING_METRIC] > self.progress.best_score:
                self.progress.best_score = record.valid[STOPPING_METRIC]
                self.progress.best_epoch = record.epoch
                self.best = {name: value.cpu().clone() for name, value in self.average.items()}
            if on_epoch is not None:
                on_epoch(record)
        self.model.load_state_dict(self.best)
        return self.progress

    def validate(self) -> dict[str, float]:
        """Full-ranking metrics of the averaged weights on the validation items; the first process's, in all."""
        found: dict[str, float] = {}
        if self.processes.first:
            live = _copy(self.model)
            self.model.load_state_dict(self.average)
            ranks = evaluate(TableRecommender(self.model), self.dataset, None, "valid", self.protocol)
            self.model.load_state_dict(live)
            found = metrics(ranks.full)
        return self.processes.tell(found)

    def state(self) -> dict[str, Tensor]:
        """Tensors of a checkpoint: "model.*", "average.*", "best.*" and "optimizer.*"; `progress` completes it."""
        tensors = {f"model.{name}": value for name, value in _copy(self.model).items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": value.clone() for slot, value in slots.items()}
        return tensors

    def resume(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Go on from `state()` and `progress` of a run with the same configuration and data."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, value in tensors.items():
            part, key = name.split(".", 1)
            parts[part][key] = value
        self.model.load_state_dict(parts["model"])
        self.average = {name: parts["average"][name].to(self.device) for name in self.model.state_dict()}
        self.best = parts["best"]
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in parts["optimizer"].items():
            index, slot = key.split(".", 1)
            slots.setdefault(int(index), {})[slot] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.progress = progress

    def _epoch(self, epoch: int) -> EpochRecord:
        self.model.train()
        rng = np.random.default_rng([self.config.seed, epoch])
        watch = _LossWatch(self.device)
        started = time.perf_counter()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(rng.integers(2**62)) + self.processes.rank)
            for step, batch in enumerate(self.batches.epoch(rng, self.device), start=1):
                self._set_learning_rate(epoch - 1 + step / len(self.batches))
                watch.add(self.step(batch))
                self.average_weights((epoch - 1) * len(self.batches) + step)
                if step % CHECK_EVERY == 0 or step == len(self.batches):
                    self._require_finite(watch, epoch)
        if not self.config.averaging:
            self.average = _copy(self.model)
        means = self.processes.mean(watch.sums / len(self.batches)).tolist()
        seconds = time.perf_counter() - started
        return EpochRecord(epoch, dict(zip(watch.names, means, strict=True)), self.validate(), seconds)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step on a batch; returns the detached loss parts."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            parts = self.objective(batch)
        self.optimizer.zero_grad(set_to_none=True)
        parts["total"].backward()
        self.optimizer.step()
        return {name: value.detach() for name, value in parts.items()}

    def _set_learning_rate(self, epochs: float) -> None:
        """For the step that completes this many epochs; a function of nothing else, so that a resumed run is the same."""
        factor = 1.0
        if self.config.schedule == "cosine":
            factor = min(1.0, epochs) * (1 + math.cos(math.pi * epochs / self.config.epochs)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor

    @torch.no_grad()
    def average_weights(self, steps: int) -> None:
        """After the run's `steps`-th step. The decay grows to its value, so that random first weights are forgotten."""
        if not self.config.averaging:
            return
        decay = min(self.config.averaging, (1 + steps) / (10 + steps))
        weights = self.model.state_dict()
        torch._foreach_lerp_(list(self.average.values()), list(weights.values()), 1.0 - decay)

    def _require_finite(self, watch: _LossWatch, epoch: int) -> None:
        bad = watch.first_bad(self.processes)
        if bad is not None:
            name, step = bad
            raise NonFiniteError(
                f"Training diverged in epoch {epoch}, step {step} of {len(self.batches)}: the {name} loss is not finite. "
                f"Try a smaller learning rate than {self.config.learning_rate} or a smaller alpha than "
                f"{self.config.alpha}."
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
        found = [(name, step) for name, step in zip(self.names, steps, strict=True) if step < self.NEVER]
        return min(found, key=lambda one: one[1]) if found else None


def _decay_groups(model: SequenceRecommender, config: TrainingConfig) -> list[dict[str, object]]:
    """Trainable parameters by their weight decay."""
    added = {"items.residual.weight", "shortcut.follow.weight"}
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    groups = (
        ([one for name, one in named.items() if name not in added], config.weight_decay),
        ([one for name, one in named.items() if name in added], config.residual_decay),
    )
    return [{"params": parameters, "weight_decay": decay} for parameters, decay in groups if parameters]


def _copy(model: SequenceRecommender) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
