"""Batches of training histories and their negatives, built by vectorised indexing.

Histories of similar length share a batch (so that little of it is padding) and the batches come in random order. Which
histories meet, and when, depends on the seed and the epoch alone, which makes an interrupted run resumable bit by bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError
from genair_engine.models.batch import Batch
from genair_engine.types import IntArray

POOL_BATCHES = 50
"""Histories are sorted by length inside random pools of this many batches: little padding, still random company."""

MASKED, REPLACED = 0.8, 0.1
"""Of the items that the cloze task predicts: share behind a mask token, and share replaced by a random item."""


class BatchSource(ABC):
    """Random batches over the users of `train` that have at least two events.

    max_len: longest input, in items; the most recent ones are kept. repeats: passes over the users an epoch.
    Raises InputError if no user has two events.
    """

    repeats = 1

    def __init__(self, train: Sequences, batch_size: int, max_len: int) -> None:
        self.train = train
        self.batch_size = batch_size
        self.max_len = max_len
        users = np.flatnonzero(train.lengths >= 2)
        if len(users) == 0:
            raise InputError("No user has two training interactions: there is no next item to learn from.")
        self.users = np.tile(users, self.repeats)
        self.first_pass = len(users)

    def __len__(self) -> int:
        return -(-len(self.users) // self.batch_size)

    def sizes(self, plan: Sequence[IntArray]) -> IntArray:
        """Places of each step of a plan, padding included."""
        lengths = self.train.lengths[self.users]
        return np.array([len(rows) * min(int(lengths[rows].max()), self.max_len) for rows in plan])

    def epoch(self, rng: np.random.Generator, device: torch.device) -> Iterator[Batch]:
        """One pass over all histories."""
        for rows in self.plan(rng):
            yield self.batch(rows, rng, device)

    def batch(self, rows: IntArray, rng: np.random.Generator, device: torch.device) -> Batch:
        """One entry of the plan as a batch."""
        users = self.users[rows]
        arrays = (users, *self.build(users, rows < self.first_pass, rng))
        return Batch(*(torch.from_numpy(array).to(device) for array in arrays))

    @abstractmethod
    def build(self, users: IntArray, first: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """inputs, lengths, targets (and masked) of a batch. first: [B] whether a row belongs to the first pass."""

    def plan(self, rng: np.random.Generator) -> list[IntArray]:
        """Which of `users` meet in each step of an epoch: places in it."""
        order = rng.permutation(len(self.users))
        pool = np.arange(len(order)) // (POOL_BATCHES * self.batch_size)
        order = order[np.lexsort((self.train.lengths[self.users[order]], pool))]
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        return [batches[k] for k in rng.permutation(len(batches))]


class NextItemSource(BatchSource):
    """Every position predicts the item after it; with `last_only`, the last position alone does."""

    def __init__(self, train: Sequences, batch_size: int, max_len: int, last_only: bool = False) -> None:
        super().__init__(train, batch_size, max_len)
        self.last_only = last_only

    def build(self, users: IntArray, first: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[np.ndarray, ...]:  # noqa: ARG002
        rows = self.train.padded(users, self.max_len + 1)
        inputs, targets = rows[:, :-1].copy(), rows[:, 1:].copy()
        inputs[targets == 0] = 0  # a row's last item is a target only
        lengths = (targets != 0).sum(axis=1)
        if self.last_only:
            targets[np.arange(targets.shape[1]) != lengths[:, None] - 1] = 0
        return inputs, lengths, targets


class ClozeSource(BatchSource):
    """BERT4Rec's task: each user once with random items hidden, and once with only the last one (methods.md 2.2).

    Of the hidden items 80 % stand behind the mask token, 10 % are replaced by another item and 10 % stay. The second pass
    is what prediction looks like; without it BERT4Rec is far worse.
    """

    repeats = 2

    def __init__(self, train: Sequences, batch_size: int, max_len: int, n_items: int, probability: float) -> None:
        super().__init__(train, batch_size, max_len)
        self.n_items = n_items
        self.probability = probability

    def build(self, users: IntArray, first: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        items = self.train.padded(users, self.max_len)
        real = items != 0
        lengths = real.sum(axis=1)
        last = np.arange(items.shape[1]) == lengths[:, None] - 1
        chosen = np.where(first[:, None], real & (rng.random(items.shape) < self.probability), last)
        chosen |= last & ~chosen.any(axis=1, keepdims=True)  # a row that hides nothing would teach nothing
        fate = np.where(first[:, None], rng.random(items.shape), 0.0)
        masked = chosen & (fate < MASKED)
        replaced = chosen & ~masked & (fate < MASKED + REPLACED) & (self.n_items > 1)
        others = (items - 1 + rng.integers(1, max(self.n_items, 2), items.shape)) % self.n_items + 1  # never the item itself
        inputs = np.where(masked, 0, np.where(replaced, others, items))
        return inputs, lengths, np.where(chosen, items, 0), masked
