"""Softmax over shared negatives."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genair_engine.losses.base import RankingLoss, Step
from genair_engine.losses.ranking.registry import SampledOptions


class SampledSoftmax(RankingLoss[SampledOptions]):
    """Softmax over the next item and K uniform negatives that all positions of a step share (Jean et al., ACL 2015).

    L = mean(ln(exp(s⁺) + Σ_k exp(s_k + ln(n_items / K))) − s⁺).
    Each item is expected K / n_items times among the negatives, so that their corrected sum estimates that of all other items
    without bias, and scores mean the same as under `Softmax`. A negative that is a position's own target does not compete
    there.

    Requirements: none; the negatives are drawn uniformly from all items, seen ones included.

    Inputs: states [P, d], positives [P, d], shared negatives [K, d] → scalar.

    Relations to other losses: an estimate of `Softmax` for catalogues whose whole table is too costly a step. `BPR` and `BCE`
    draw one negative a position.
    """

    def draw(self, users: Tensor) -> Tensor:
        return torch.randint(1, self.n_items + 1, (self.options.negatives,), device=users.device)

    def forward(self, step: Step) -> Tensor:
        positive = (step.states * step.vectors(step.targets)).sum(dim=1, keepdim=True).float()
        negative = (step.states @ step.vectors(step.drawn).T).float() + math.log(self.n_items / len(step.drawn))
        negative = negative.masked_fill(step.drawn == step.targets.unsqueeze(1), -torch.inf)
        return (torch.cat([positive, negative], dim=1).logsumexp(dim=1) - positive.squeeze(1)).mean()
