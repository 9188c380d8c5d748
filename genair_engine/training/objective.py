"""The training objective of one step: L = L_rank + Σ weight · L_extra (GenAIR eq. 18), with only the items that the step
needs.

The item table is computed once a step: for the items that the batch reads, predicts or draws as negatives and those that an
extra loss asks for, or for the whole catalogue where a loss needs it. Everything a step draws at random comes from torch's
generators.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from genair_engine.catalog.sequences import Sequences
from genair_engine.losses.base import ExtraLoss, RankingLoss, Step
from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.methods.backbones import ClozeOptions, NextItemOptions
from genair_engine.methods.config import RunConfig
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.models.batch import Batch
from genair_engine.training.batches import BatchSource, ClozeSource, NextItemSource


def batch_source(train: Sequences, model: SequenceRecommender, config: RunConfig) -> BatchSource:
    """The batches of the backbone's task. Raises InputError where there is nothing to learn."""
    size, longest = config.training.batch_size, config.model.max_len
    if isinstance(config.model, ClozeOptions):
        return ClozeSource(train, size, longest, model.n_items, config.model.mask_probability)
    last_only = isinstance(config.model, NextItemOptions) and config.model.targets == "last"
    return NextItemSource(train, size, longest, last_only)


def ranking_loss(train: Sequences, model: SequenceRecommender, config: RunConfig, device: torch.device) -> RankingLoss[Any]:
    """The run's ranking loss, ready for its training data."""
    loss: RankingLoss[Any] = LOSSES[str(config.loss)].load()(config.ranking, train, model.n_items, device)
    return loss


class Objective(nn.Module):
    """Holds a model with the losses of a stage. ranking: None where the stage has extra losses only; it must have one of them.

    rank, world: of processes that train together and see the same batches. Each takes every world-th history for its
    ranking loss, weighted so that the mean over processes is the whole batch's loss; extra losses see the targets of all of
    it.
    """

    def __init__(
        self,
        model: SequenceRecommender,
        ranking: RankingLoss[Any] | None,
        extras: Sequence[ExtraLoss],
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        if ranking is None and not extras:
            raise ValueError("A stage of training has no loss: let it rank, or give it an extra loss.")
        self.model = model
        self.ranking = ranking
        self.losses = tuple(extras)
        self.extras = nn.ModuleList(extras)  # their own parameters are trained, moved and checkpointed
        self.rank, self.world = rank, world
        self.row = torch.arange(model.n_items + 1, device=device)  # where an item's vector stands in this step's table
        self.epoch = 1

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars "rank" (where it ranks), one for each extra loss by its name, and "total"."""
        step, share = self._step(batch)
        parts: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        if self.ranking is not None:
            parts["rank"] = share * self.ranking(step) if len(step.targets) else step.states.sum() * 0.0
            weighted.append(parts["rank"])
        for loss in self.losses:
            parts[loss.name] = loss(step)
            weighted.append(loss.weight * parts[loss.name])
        return parts | {"total": functools.reduce(operator.add, weighted)}

    def _step(self, batch: Batch) -> tuple[Step, Tensor | float]:
        """What the losses see of this process's histories, and what its ranking loss counts of the whole batch's."""
        part = batch.rows(slice(self.rank, None, self.world))
        if len(part.users) == 0:  # no share of a small last batch: kernels want a history, which then predicts nothing
            part = replace(batch.rows(slice(0, 1)), targets=torch.zeros_like(batch.targets[:1]))
        predicted = part.targets != 0
        rows, places = predicted.nonzero(as_tuple=True)  # [P]
        targets = part.targets[predicted]
        drawn = self._draw(part.users[rows])
        table = self._table(part, batch.targets, drawn)
        states = self.model.states(part, self.row[part.inputs], table)[predicted]  # [P, d]
        if part.masked is not None:
            places = torch.full_like(places, predicted.shape[1])  # the cloze task shows the whole history
        every_target = batch.targets[batch.targets != 0]
        share = self.world * len(targets) / len(every_target) if self.world > 1 else 1.0
        return Step(part, states, targets, rows, places, drawn, table, self.row, every_target, self.epoch), share

    def _draw(self, users: Tensor) -> Tensor:
        """The ranking loss's negatives for predicted positions of `users` ([P])."""
        return users.new_empty(0) if self.ranking is None else self.ranking.draw(users)

    def _table(self, part: Batch, targets: Tensor, drawn: Tensor) -> Tensor:
        """[m, d] the table of this step; `self.row` then says where an item stands in it."""
        if self.ranking is not None and self.ranking.whole_table:
            return self.model.items.all_vectors()  # `row` stays the identity
        asked = [items for loss in self.losses if (items := loss.items(part)) is not None]
        needed = torch.unique(torch.cat([items.flatten() for items in (part.inputs, targets, drawn, *asked)]))
        self.row[needed] = torch.arange(len(needed), device=needed.device)
        return self.model.items.vectors(needed)
