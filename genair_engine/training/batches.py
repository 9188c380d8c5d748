"""Batches of training sequences and their negatives, built by vectorised indexing.

Users of similar length share a batch (so that little of it is padding) and the batches come in random order. Which users
meet, and when, depends on the seed and the epoch alone, which makes an interrupted run resumable bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genair_engine.catalog.dataset import IntArray, Sequences
from genair_engine.errors import InputError

POOL_BATCHES = 50
"""Users are sorted by length inside random pools of this many batches: little padding, still random company."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs and next items. users: [B]; inputs, targets: [B, T] int64, right-padded with 0, target t follows input t."""

    users: Tensor
    inputs: Tensor
    targets: Tensor


class BatchSource:
    """Random batches over the users of `train` that have at least two events.

    max_len: longest input, in items; the most recent ones are kept. Raises InputError if no user has two events.
    """

    def __init__(self, train: Sequences, batch_size: int, max_len: int) -> None:
        self.train = train
        self.batch_size = batch_size
        self.max_len = max_len
        self.users = np.flatnonzero(train.lengths >= 2)
        if len(self.users) == 0:
            raise InputError("No user has two training interactions: there is no next item to learn from.")

    def __len__(self) -> int:
        return -(-len(self.users) // self.batch_size)

    def epoch(self, rng: np.random.Generator, device: torch.device) -> Iterator[Batch]:
        """One pass over all users."""
        for users in self._schedule(rng):
            rows = self.train.padded(users, self.max_len + 1)
            inputs, targets = rows[:, :-1].copy(), rows[:, 1:]
            inputs[targets == 0] = 0  # a row's last item is a target only
            yield Batch(*(torch.from_numpy(array).to(device) for array in (users, inputs, targets)))

    def _schedule(self, rng: np.random.Generator) -> list[IntArray]:
        order = rng.permutation(self.users)
        pool = np.arange(len(order)) // (POOL_BATCHES * self.batch_size)
        order = order[np.lexsort((self.train.lengths[order], pool))]
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        return [batches[k] for k in rng.permutation(len(batches))]


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
