"""Negatives for pairwise losses: items that a user has no training interaction with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genair_engine.catalog.sequences import Sequences


class NegativeSampler:
    """Uniform items that the user has no training interaction with, drawn on the device, exactly and without rejection.

    A draw is a rank r among the user's free items. Before the user's j-th taken item t_j (sorted, j from 0) lie
    t_j − 1 − j free ones, so the free item of rank r is r + 1 + #{j : t_j − 1 − j ≤ r}: one binary search for all draws.
    A user who has taken every item gets any item.
    """

    def __init__(self, train: Sequences, n_items: int, device: torch.device) -> None:
        self.stride = n_items + 1
        users, items = np.divmod(np.unique(train.users * self.stride + train.items), self.stride)
        taken = np.bincount(users, minlength=len(train))
        first = np.cumsum(taken) - taken
        before = items - 1 - (np.arange(len(items)) - first[users])
        full = taken == n_items
        self.free = torch.from_numpy(np.where(full, n_items, n_items - taken)).to(device)
        self.first = torch.from_numpy(first).to(device)
        self.keys = torch.from_numpy(users * self.stride + np.where(full[users], n_items, before)).to(device)

    def draw(self, users: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """[m] int64 items, one for each of `users` ([m])."""
        share = torch.rand(users.shape, dtype=torch.float64, device=users.device, generator=generator)
        rank = (share * self.free[users]).long()
        below = torch.searchsorted(self.keys, users * self.stride + rank, right=True) - self.first[users]
        return rank + 1 + below
