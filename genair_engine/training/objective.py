"""The training objective of one step: L = L_rank + α L_cal (GenAIR eq. 18), with only the items that the step needs.

The item table is projected once a step: for the items that the batch reads, predicts or draws as negatives, or for the
whole catalogue where the softmax needs it. Everything a step draws at random comes from torch's generators.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.catalog.sequences import Sequences
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.methods.registry import METHODS
from genair_engine.training import losses
from genair_engine.training.batches import Batch, BatchSource, ClozeSource, NegativeSampler, NextItemSource
from genair_engine.training.calibration import Association, calibration_loss, linear_calibration_loss, sample_at_most
from genair_engine.training.config import TrainingConfig


def batch_source(train: Sequences, model: SequenceRecommender, config: TrainingConfig) -> BatchSource:
    """The batches that the model's backbone learns from. Raises InputError where there is nothing to learn."""
    if model.backbone.cloze:
        return ClozeSource(train, config.batch_size, config.max_len, model.n_items, config.mask_probability)
    return NextItemSource(train, config.batch_size, config.max_len, last_only=config.targets == "last")


class Objective(nn.Module):
    """Holds a model with what its losses need to know about the training data.

    rank, world: of processes that train together and see the same batches. Each takes every world-th history for its
    ranking loss, weighted so that the mean over processes is the whole batch's loss; all calibrate all of its items.
    """

    def __init__(
        self,
        model: SequenceRecommender,
        train: Sequences,
        config: TrainingConfig,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.rank, self.world = rank, world
        self.sampler = NegativeSampler(train, model.n_items, device) if config.loss in ("bce", "bpr") else None
        self.row = torch.arange(model.n_items + 1, device=device)  # where an item's vector stands in this step's table
        self.association = None
        if METHODS[config.method].calibrated and config.alpha > 0:
            self.association = Association(train, model.n_items, config.window, config.count_once, device)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars "rank", "total" and, where it is on, "calibration"."""
        part = batch.rows(slice(self.rank, None, self.world))
        if len(part.users) == 0:  # no share of a small last batch: kernels want a history, which then predicts nothing
            part = replace(batch.rows(slice(0, 1)), targets=torch.zeros_like(batch.targets[:1]))
        predicted = part.targets != 0
        targets = part.targets[predicted]  # [P]
        drawn = self._draw(part.users.repeat_interleave(predicted.sum(dim=1)))
        table = self._project(part.inputs, batch.targets, drawn)
        states = self.model.states(part.inputs, self.row[part.inputs], table, part.lengths, part.masked)[predicted]  # [P, d]
        loss = self._rank_loss(states, targets, drawn, table, self._seen(part, predicted))
        if self.world > 1:
            loss = loss * (self.world * len(targets) / (batch.targets != 0).sum())
        if self.association is None:
            return {"rank": loss, "total": loss}
        calibration = self._calibration(batch.targets[batch.targets != 0], table)
        return {"rank": loss, "calibration": calibration, "total": loss + self.config.alpha * calibration}

    def _draw(self, users: Tensor) -> Tensor:
        """Negatives: one for each predicted position of `users` ([P]), or [K] that all share, or none."""
        if self.sampler is not None:
            return self.sampler.draw(users)
        shared = self.config.negatives if self.config.loss == "sampled" else 0
        return torch.randint(1, self.model.n_items + 1, (shared,), device=users.device)

    def _project(self, *ids: Tensor) -> Tensor:
        """[m, d] the table of this step; `self.row` then says where an item stands in it."""
        if self.config.loss == "ce":
            return self.model.items.all_vectors()  # `row` stays the identity
        needed = torch.unique(torch.cat([one.flatten() for one in ids]))
        self.row[needed] = torch.arange(len(needed), device=needed.device)
        return self.model.items.vectors(needed)

    def _seen(self, part: Batch, predicted: Tensor) -> losses.Seen | None:
        """What does not compete: the history up to each position, or all that the cloze task shows."""
        if not self.config.exclude_seen:
            return None
        row, position = predicted.nonzero(as_tuple=True)
        if part.masked is not None:
            position = torch.full_like(position, predicted.shape[1])
        return losses.Seen(part.inputs, row, position)

    def _rank_loss(self, states: Tensor, targets: Tensor, drawn: Tensor, table: Tensor, seen: losses.Seen | None) -> Tensor:
        if len(targets) == 0:
            return states.sum() * 0.0
        if self.config.loss == "ce":
            return losses.softmax(states, table, targets, seen)
        positives, negatives = F.embedding(self.row[targets], table), F.embedding(self.row[drawn], table)
        if self.config.loss == "sampled":
            return losses.sampled_softmax(states, positives, targets, negatives, drawn, self.model.n_items)
        pairwise = losses.bpr if self.config.loss == "bpr" else losses.bce
        return pairwise(states, positives, negatives)

    def _calibration(self, targets: Tensor, table: Tensor) -> Tensor:
        """L_cal over the distinct targets of the batch; the public code's over all of them."""
        assert self.association is not None
        items, times = torch.unique(targets, return_counts=True)
        gamma = self.config.gamma
        if self.config.kernel == "linear":
            with torch.autocast(table.device.type, enabled=False):
                vectors = F.embedding(self.row[items], table).float()
                return linear_calibration_loss(vectors, self.association.between(items), times, gamma)
        items = sample_at_most(items, self.config.calibration_items)
        vectors = F.embedding(self.row[items], table)
        return calibration_loss(vectors, self.association.between(items), self.config.t, gamma)
