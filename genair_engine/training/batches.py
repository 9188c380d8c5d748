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
    """Uniform items that the user has no training interaction with, drawn on the device.

    train: what counts as interacted. A user who has all items gets some of them back: the sampler redraws collisions
    `ROUNDS` times and then leaves what remains, which at 1 % density is one in 10^8.
    """

    ROUNDS = 4

    def __init__(self, train: Sequences, n_items: int, device: torch.device) -> None:
        self.n_items = n_items
        keys = np.unique(train.users * (n_items + 1) + train.items)
        self.taken = torch.from_numpy(keys).to(device)

    def draw(self, users: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """[m] int64 items, one for each of `users` ([m])."""
        drawn = torch.randint(1, self.n_items + 1, users.shape, device=users.device, generator=generator)
        for _ in range(self.ROUNDS):
            key = users * (self.n_items + 1) + drawn
            found = torch.searchsorted(self.taken, key).clamp_(max=len(self.taken) - 1)
            fresh = torch.randint(1, self.n_items + 1, users.shape, device=users.device, generator=generator)
            drawn = torch.where(self.taken[found] == key, fresh, drawn)
        return drawn
