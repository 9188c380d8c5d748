"""Ranking losses over the predicted positions of a batch.

All take `states` [P, d] (one row for each predicted position) and return the mean over positions, a scalar. BPR and BCE
compare the next item with one sampled negative; the softmax losses with negatives that a step shares, or with the whole
catalogue. Numbers obtained with different losses are not comparable as "the same model": a run's loss is part of its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_SCORES = 8_000_000
"""Scores that the softmax loss works on at once (32 MB of float32), whatever the batch's size …"""

LEAST_ROWS = 64
"""… but never fewer positions than this, because every block reads the whole table: 256 MB with a million items."""


def bpr(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Bayesian personalised ranking, −log σ(s⁺ − s⁻): the paper's loss (GenAIR eq. 17; Rendle et al. 2009).

    positives, negatives: [P, d] item vectors.
    """
    return -F.logsigmoid((states * (positives - negatives)).sum(dim=1).float()).mean()


def bce(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Binary cross-entropy of the positive plus that of the negative: SASRec's loss, and that of the public code.

    positives, negatives: [P, d] item vectors.
    """
    positive = (states * positives).sum(dim=1).float()
    negative = (states * negatives).sum(dim=1).float()
    return F.softplus(-positive).mean() + F.softplus(negative).mean()


def sampled_softmax(states: Tensor, positives: Tensor, targets: Tensor, shared: Tensor, drawn: Tensor, n_items: int) -> Tensor:
    """Softmax over the positive and K uniform negatives that all positions share (Jean et al. 2015).

    positives: [P, d] vectors of the items `targets` ([P]); shared: [K, d] vectors of the items `drawn` ([K], from
    1…n_items). A negative that is a position's own target does not compete there. ln(n_items / K) is added to the others'
    scores: each item is expected K / n_items times, so that their sum estimates that of all other items without bias, and
    scores mean the same as under `softmax`.
    """
    positive = (states * positives).sum(dim=1, keepdim=True).float()
    negative = (states @ shared.T).float() + math.log(n_items / len(drawn))
    negative = negative.masked_fill(drawn == targets.unsqueeze(1), -torch.inf)
    return (torch.cat([positive, negative], dim=1).logsumexp(dim=1) - positive.squeeze(1)).mean()


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
    """Cross-entropy over the catalogue. table: [n_items + 1, d], row 0 (padding) never competes. targets: [P] ≥ 1.

    seen: what does not compete either (the target always does): full ranking without seen items asks nothing about them.

    Computed in blocks of positions, gradients along with the loss, so that no more than `BLOCK_SCORES` scores exist at a
    time and none are kept for the backward pass (the first derivative only).
    """
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
