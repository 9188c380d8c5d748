"""Ranking losses over the real positions of a batch.

All take `states` [P, d] (one row for each predicted position) and return the mean over positions, a scalar. BPR and BCE
compare the next item with one sampled negative; the softmax loss compares it with the whole catalogue. Numbers obtained
with different losses are not comparable as "the same model": a run's loss is part of its name.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def bpr(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Bayesian personalised ranking, −log σ(s⁺ − s⁻): the paper's loss (GenAIR eq. 17; Rendle et al. 2009).

    positives, negatives: [P, d] item vectors.
    """
    return -F.logsigmoid((states * (positives - negatives)).sum(dim=1)).mean()


def bce(states: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Binary cross-entropy of the positive plus that of the negative: SASRec's loss, and that of the public code.

    positives, negatives: [P, d] item vectors.
    """
    positive = (states * positives).sum(dim=1)
    negative = (states * negatives).sum(dim=1)
    return F.softplus(-positive).mean() + F.softplus(negative).mean()


def softmax(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over the catalogue. table: [n_items + 1, d], row 0 (padding) never competes. targets: [P] ≥ 1."""
    return F.cross_entropy(states @ table[1:].T, targets - 1)
