"""Cross-entropy over the whole catalogue, in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from genair_engine.losses.base import RankingLoss, Step
from genair_engine.losses.ranking.registry import SoftmaxOptions

BLOCK_SCORES = 8_000_000
"""Scores that the loss works on at once (32 MB of float32), whatever the batch's size …"""

LEAST_ROWS = 64
"""… but never fewer positions than this, because every block reads the whole table: 256 MB with a million items."""


class Softmax(RankingLoss[SoftmaxOptions]):
    """Cross-entropy over the catalogue: the next item shall score above every other item.

    L = mean(ln Σ_j exp(s_j) − s⁺) over all items j but padding. With `exclude_seen` the items of the history so far do not
    compete either (the target always does), since full ranking without seen items asks nothing about them.

    Requirements: the vectors of all items a step. Scores exist a block of positions at a time and none are kept for the
    backward pass, whose gradients are computed along with the loss (the first derivative only).

    Inputs: states [P, d], table [n_items + 1, d], targets [P] ≥ 1 → scalar.

    Relations to other losses: `SampledSoftmax` estimates it from shared negatives. `BPR` and `BCE` compare with one item.
    """

    whole_table = True

    def forward(self, step: Step) -> Tensor:
        seen = Seen(step.batch.inputs, step.rows, step.places) if self.options.exclude_seen else None
        return softmax(step.states, step.table, step.targets, seen)


@dataclass(frozen=True, eq=False)
class Seen:
    """Items that do not compete where a position is predicted: those of its history so far.

    histories: [B, T] items, 0 where none. row: [P] a position's history. until: [P] the last place of it that counts.
    """

    histories: Tensor
    row: Tensor
    until: Tensor

    def items(self, positions: slice) -> Tensor:
        """[p, T] items that do not compete at these positions, 0 where none."""
        places = torch.arange(self.histories.shape[1], device=self.row.device)
        return self.histories[self.row[positions]] * (places <= self.until[positions].unsqueeze(1))


def softmax(states: Tensor, table: Tensor, targets: Tensor, seen: Seen | None = None) -> Tensor:
    """The loss of `Softmax`. table: [n_items + 1, d], row 0 (padding) never competes. targets: [P] ≥ 1."""
    return _BlockedSoftmax.apply(states, table[1:], targets - 1, seen)  # type: ignore[no-untyped-call]


class _BlockedSoftmax(torch.autograd.Function):
    """∂L/∂scores = (softmax − one-hot) / P is known as soon as the scores are; both products follow at once."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, items: Tensor, targets: Tensor, seen: Seen | None) -> Tensor:
        count, rows = len(states), max(BLOCK_SCORES // len(items), LEAST_ROWS)
        loss = torch.zeros((), device=states.device)
        states_gradient, items_gradient = torch.empty_like(states), torch.zeros_like(items, dtype=torch.float32)
        for start in range(0, count, rows):
            positions = slice(start, start + rows)
            block, wanted = states[positions], targets[positions].unsqueeze(1)
            scores = (block @ items.T).float()
            if seen is not None:
                own = scores.gather(1, wanted)
                hidden = seen.items(positions) - 1
                scores.scatter_(1, torch.where(hidden < 0, wanted, hidden), -torch.inf).scatter_(1, wanted, own)
            normaliser = scores.logsumexp(dim=1, keepdim=True)
            loss += (normaliser - scores.gather(1, wanted)).sum()
            shares = scores.sub_(normaliser).exp_()
            shares.scatter_add_(1, wanted, torch.full(wanted.shape, -1.0, device=shares.device))
            shares = shares.to(states.dtype)
            states_gradient[positions] = shares @ items
            items_gradient += shares.T @ block
        ctx.save_for_backward(states_gradient, items_gradient.to(items.dtype))
        ctx.count = count
        return loss / count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        states_gradient, items_gradient = ctx.saved_tensors
        scale = gradient / ctx.count
        return states_gradient * scale, items_gradient * scale, None, None
