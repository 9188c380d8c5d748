"""What a training step learns from, and where such batches come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from genair_engine.types import IntArray


@dataclass(frozen=True, eq=False)
class Batch:
    """Histories of one step; all right-padded with 0.

    users: [B]. inputs: [B, T] int64 items. lengths: [B] positions in use. targets: [B, T] int64, the item that each
    position's state must predict, 0 where none. masked: [B, T] bool, positions that hold the mask token (inputs 0 there).
    """

    users: Tensor
    inputs: Tensor
    lengths: Tensor
    targets: Tensor
    masked: Tensor | None = None

    def rows(self, chosen: slice) -> Batch:
        """Some of the histories."""
        masked = None if self.masked is None else self.masked[chosen]
        return Batch(self.users[chosen], self.inputs[chosen], self.lengths[chosen], self.targets[chosen], masked)


class Batches(Protocol):
    """A source of batches whose company and order follow from a random generator alone, so that training can be resumed."""

    def __len__(self) -> int:
        """Steps of an epoch."""

    def plan(self, rng: np.random.Generator) -> list[IntArray]:
        """What meets in each step of an epoch."""

    def sizes(self, plan: Sequence[IntArray]) -> IntArray:
        """What each step of a plan costs, in some unit: places of histories, padding included."""

    def batch(self, rows: IntArray, rng: np.random.Generator, device: torch.device) -> Batch:
        """One step of a plan."""

    def epoch(self, rng: np.random.Generator, device: torch.device) -> Iterator[Batch]:
        """The batches of one epoch, one by one."""
