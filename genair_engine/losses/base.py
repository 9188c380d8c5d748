"""What a loss is given and what it is: the step of a training, ranking losses, and extra losses with a weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.catalog.sequences import Sequences
from genair_engine.models.batch import Batch
from genair_engine.options import Options

O = TypeVar("O", bound=Options)  # noqa: E741 - the options of a loss


@dataclass(frozen=True, eq=False)
class Step:
    """What the losses of one step see.

    batch: the histories. states: [P, d], a row for each predicted position of this process's share of them. targets: [P] the
    items that they must predict. rows: [P] the history of each, places: [P] its last place that the position has seen (the
    width T for the cloze task, which shows the whole history; where a state stands is `batch.targets != 0`).
    drawn: [P] a negative for each position, or [K] negatives that all share, or none, as the ranking loss draws them.
    table: [m, d] vectors of the items that the step needs; row: [n_items + 1] where an item stands in it. every_target: [Q]
    the targets of the whole batch, of all processes. epoch: from 1, counted over all stages.
    """

    batch: Batch
    states: Tensor
    targets: Tensor
    rows: Tensor
    places: Tensor
    drawn: Tensor
    table: Tensor
    row: Tensor
    every_target: Tensor
    epoch: int = 1

    def vectors(self, items: Tensor) -> Tensor:
        """[..., d] vectors of items that the step reads, predicts or draws."""
        return F.embedding(self.row[items], self.table)


class RankingLoss(nn.Module, ABC, Generic[O]):
    """Mean loss over the predicted positions of a step. whole_table: whether it needs the vectors of all items."""

    whole_table = False

    def __init__(self, options: O, train: Sequences, n_items: int, device: torch.device) -> None:  # noqa: ARG002
        super().__init__()
        self.options = options
        self.n_items = n_items

    def draw(self, users: Tensor) -> Tensor:
        """The negatives of a step: [P] for the positions of `users` ([P]), or [K] shared ones; by default none."""
        return users.new_empty(0)

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """A scalar; the step has at least one predicted position."""


class ExtraLoss(nn.Module, ABC):
    """A loss that a method adds with a weight: L = L_rank + Σ weight · L_extra.

    name: under which its mean is told after every epoch. Its own parameters, if it has any, are trained and checkpointed with
    the model, and are not part of it: a finished run keeps none of them. items(): what it needs vectors of beyond the batch.
    """

    def __init__(self, name: str, weight: float) -> None:
        super().__init__()
        self.name = name
        self.weight = weight

    def items(self, batch: Batch) -> Tensor | None:  # noqa: ARG002 - most need none
        """[k] items whose vectors it asks the step for beside the batch's own; None for none."""
        return None

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """A scalar, unweighted."""
