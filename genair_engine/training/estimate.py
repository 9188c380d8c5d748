"""What training will cost, measured by doing a little of it: seconds an epoch and peak memory before a run is launched.

Nothing here models a computer. Real steps of a real epoch's plan are run on the device that the run will use, at batches evenly
spaced by their length (a step costs what its longest history costs, so this is a stratified sample of the epoch), and the mean
is scaled to all steps. The longest batch is among them, a checkpoint is taken and a few users are ranked, so that the memory
that this needs at its peak is the memory that the run will need.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from genair_engine.catalog.dataset import Dataset, IntArray, ItemArray
from genair_engine.evaluation.protocol import LEAST_BLOCK_USERS, MAX_BLOCK_SCORES
from genair_engine.training.trainer import Trainer

WARM_UP = 3
"""Steps that are not timed: allocators and caches fill."""
LEAST_STEPS = 4
"""Steps that are timed however long they take."""


@dataclass(frozen=True)
class StepCost:
    """seconds: of an epoch, validation not counted. steps: that were timed, of so many that an epoch has."""

    seconds: float
    steps: int
    of: int


def measure_steps(trainer: Trainer, seconds: float) -> StepCost:
    """Times about so many seconds of an epoch. The trainer's weights are changed: it is of no use afterwards.

    The random generators of torch are left as they were.
    """
    rng = np.random.default_rng(trainer.config.seed)
    plan = sorted(trainer.batches.plan(rng), key=lambda rows: _longest(trainer, rows))
    trainer.model.train()
    with torch.random.fork_rng(devices=[trainer.device] if trainer.device.type == "cuda" else []):
        torch.manual_seed(trainer.config.seed)
        slowest = [_step(trainer, plan[-1], rng) for _ in range(WARM_UP)][-1]
        wanted = int(np.clip(seconds / slowest, min(LEAST_STEPS, len(plan)), len(plan)))
        middles = ((np.arange(wanted) + 0.5) * len(plan) / wanted).astype(np.int64)
        times = [_step(trainer, plan[place], rng) for place in rng.permutation(middles)]
    return StepCost(float(np.mean(times)) * len(plan), wanted, len(plan))


def _longest(trainer: Trainer, rows: IntArray) -> int:
    return int(trainer.batches.train.lengths[trainer.batches.users[rows]].max())


def _step(trainer: Trainer, rows: IntArray, rng: np.random.Generator) -> float:
    """Seconds of all that an epoch does for a batch."""
    started = time.perf_counter()
    trainer.step(trainer.batches.batch(rows, rng, trainer.device))
    trainer.average_weights(1)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return time.perf_counter() - started


def longest_histories(dataset: Dataset, negatives: ItemArray, blocks: int = 2) -> tuple[Dataset, ItemArray]:
    """The evaluated users with the longest histories, so many that ranking them takes that many blocks of the evaluation,
    as a data set of their own, with their negatives: ranking them needs as much memory at a time as ranking all.
    """
    evaluated = dataset.split.users
    block = max(LEAST_BLOCK_USERS, MAX_BLOCK_SCORES // (dataset.n_items + 1))
    chosen = np.sort(np.argsort(dataset.sequences.lengths[evaluated], kind="stable")[-blocks * block :])
    users = evaluated[chosen]
    some = Dataset(
        name=dataset.name,
        items=dataset.items,
        sequences=dataset.sequences.take(users),
        user_ids=[dataset.user_ids[user] for user in users],
        provenance=dataset.provenance,
    )
    return some, negatives[chosen]
