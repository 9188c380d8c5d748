"""The trainer: epochs, early stopping, and a state that resumes exactly where it stopped.

What is validated and kept is a running average of the weights over steps (Polyak averaging, as in most modern training
recipes; `averaging` 0 switches it off): it damps the noise of the last few batches, at no cost in serving.

All randomness of an epoch (batch order, negatives, dropout) is seeded from (seed, epoch): the state needs no generator
states, and a run resumed from a checkpoint equals an uninterrupted one bit by bit on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from genair_engine.catalog.dataset import Dataset, ItemArray
from genair_engine.errors import NonFiniteError
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Protocol, evaluate
from genair_engine.methods import METHODS, SequenceRecommender
from genair_engine.methods.recommender import TableScorer
from genair_engine.training import losses
from genair_engine.training.batches import Batch, BatchSource, NegativeSampler
from genair_engine.training.calibration import Association, calibration_loss
from genair_engine.training.config import TrainingConfig

STOPPING_METRIC = "NDCG@10"


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

    negatives: the stored evaluation negatives ([n_eval, m]), for validation. protocol: how validation ranks are obtained.
    """

    def __init__(
        self,
        model: SequenceRecommender,
        dataset: Dataset,
        negatives: ItemArray,
        config: TrainingConfig,
        protocol: Protocol | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device)
        self.dataset = dataset
        self.negatives = negatives
        self.config = config
        self.protocol = protocol or Protocol()
        self.progress = Progress()
        self.average = _copy(self.model)
        self.best = self.average
        train = dataset.split.train
        self.batches = BatchSource(train, config.batch_size, config.max_len)
        self.sampler = NegativeSampler(train, dataset.n_items, self.device) if config.loss != "ce" else None
        calibrated = METHODS[config.method].calibrated and config.alpha > 0
        self.association = Association(train, dataset.n_items) if calibrated else None
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(trainable, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)

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
        """Full-ranking metrics of the averaged weights on the validation items."""
        live = _copy(self.model)
        self.model.load_state_dict(self.average)
        ranks = evaluate(TableScorer(self.model), self.dataset, self.negatives, "valid", self.protocol)
        self.model.load_state_dict(live)
        return metrics(ranks.full)

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
        sums: dict[str, Tensor] = {}
        started = time.perf_counter()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(rng.integers(2**62)))
            for step, batch in enumerate(self.batches.epoch(rng, self.device), start=1):
                parts = self.step(batch)
                for name, value in parts.items():
                    sums[name] = sums.get(name, torch.zeros((), device=self.device)) + value
                if step % 16 == 0 or step == len(self.batches):  # reading a value waits for the device: not every step
                    self._require_finite(sums, epoch, step)
        seconds = time.perf_counter() - started
        means = {name: float(value) / len(self.batches) for name, value in sums.items()}
        return EpochRecord(epoch, means, self.validate(), seconds)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step on a batch; returns the detached loss parts."""
        real = batch.targets != 0
        targets = batch.targets[real]  # [P]
        if self.sampler is None:
            table = self.model.items.all_vectors()
            states = self.model.states(batch.inputs, table)[real]  # [P, d]
            rank = losses.softmax(states, table, targets)
            unique = torch.unique(targets)
            vectors = F.embedding(unique, table)
        else:
            # Only the items that this step touches are projected: inputs, positives, negatives.
            drawn = self.sampler.draw(batch.users.repeat_interleave(real.sum(dim=1)))
            needed, where = torch.unique(torch.cat([batch.inputs.flatten(), targets, drawn]), return_inverse=True)
            table = self.model.items.vectors(needed)
            rows, positive, negative = where.split([batch.inputs.numel(), len(targets), len(drawn)])
            states = self.model.states(rows.view_as(batch.inputs), table)[real]
            loss = losses.bpr if self.config.loss == "bpr" else losses.bce
            rank = loss(states, F.embedding(positive, table), F.embedding(negative, table))
            chosen = torch.unique(positive)
            unique, vectors = needed[chosen], F.embedding(chosen, table)
        parts = {"rank": rank}
        if self.association is not None:
            parts["calibration"] = calibration_loss(
                vectors, self.association.between(unique), self.config.t, self.config.gamma
            )
        total = rank + self.config.alpha * parts["calibration"] if "calibration" in parts else rank
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.optimizer.step()
        self._average()
        return {name: value.detach() for name, value in (parts | {"total": total}).items()}

    @torch.no_grad()
    def _average(self) -> None:
        weights = self.model.state_dict()
        torch._foreach_lerp_(list(self.average.values()), list(weights.values()), 1.0 - self.config.averaging)

    def _require_finite(self, sums: dict[str, Tensor], epoch: int, step: int) -> None:
        bad = [name for name, value in sums.items() if not torch.isfinite(value)]
        if bad:
            raise NonFiniteError(
                f"Training diverged in epoch {epoch} at or shortly before step {step}: the {bad[0]} loss is not finite. "
                f"Try a smaller learning rate than {self.config.learning_rate} or a smaller alpha than "
                f"{self.config.alpha}."
            )


def _copy(model: SequenceRecommender) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
