"""What training will cost, measured by doing a little of it: seconds an epoch, seconds to validate it, and peak memory.

No model of a computer: real steps of a real epoch's plan are run on the device that the run will use, from its smallest to its
largest batch, and what they took is carried over to the others by their size. Validation is sampled by blocks of users. The
longest batch and the longest histories are always in the sample, so that the peak of memory while it is taken is the run's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from genair_engine.catalog.dataset import Dataset
from genair_engine.evaluation.protocol import LEAST_BLOCK_SESSIONS, MAX_BLOCK_SCORES, evaluate
from genair_engine.methods.recommender import TableRecommender
from genair_engine.training.trainer import Trainer
from genair_engine.types import IntArray

WARM_UP = 3
"""Steps that are not timed: allocators and caches fill."""
LEAST_STEPS = 5
"""Steps that are timed, however long they take."""


@dataclass(frozen=True)
class StepCost:
    """seconds: of an epoch, validation not counted. steps: that were timed, of so many that an epoch has."""

    seconds: float
    steps: int
    of: int


def measure_steps(trainer: Trainer, seconds: float) -> StepCost:
    """Times steps of the trainer's stage for about so many seconds. It changes the trainer's weights, but not torch's random
    generators.

    What was not timed lies on the line between the steps next to it, by their padded size.
    """
    rng = np.random.default_rng(trainer.config.seed)
    plan = trainer.batches.plan(rng)
    sizes = trainer.batches.sizes(plan)
    order = np.argsort(sizes, kind="stable")
    times: dict[int, float] = {}
    trainer.model.train()
    with torch.random.fork_rng(devices=[trainer.device] if trainer.device.type == "cuda" else []):
        torch.manual_seed(trainer.config.seed)
        for _ in range(WARM_UP):
            _step(trainer, plan[order[-1]], rng)
        for place in order[_spread(sizes[order])]:
            if len(times) >= LEAST_STEPS and sum(times.values()) >= seconds:
                break
            times[place] = _step(trainer, plan[place], rng)
    timed = np.array(list(times))
    known, which = np.unique(sizes[timed], return_inverse=True)
    means = np.bincount(which, weights=list(times.values())) / np.bincount(which)
    return StepCost(float(np.interp(sizes, known, means).sum()), len(times), len(plan))


def _spread(sizes: IntArray) -> IntArray:
    """Places of sorted sizes: the last, the first, then ever closer together, evenly by what lies before them."""
    share = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    parts = [np.arange(1, 2**level, 2) / 2**level for level in range(1, 2 + int(np.log2(len(sizes))))]
    between = np.searchsorted(share, np.concatenate([[1.0, 0.0], *parts])).clip(max=len(sizes) - 1)
    return np.array(list(dict.fromkeys([*between.tolist(), *range(len(sizes))])))


def _step(trainer: Trainer, rows: IntArray, rng: np.random.Generator) -> float:
    """Seconds of all that an epoch does for a batch."""
    started = time.perf_counter()
    trainer.step(trainer.batches.batch(rows, rng, trainer.device))
    trainer.average_weights(1)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return time.perf_counter() - started


@dataclass(frozen=True, eq=False)
class Sample:
    """Some evaluated users as a data set of their own. users: their places in `Dataset.split.users`. scale: how many times
    longer ranking all of them takes."""

    dataset: Dataset
    users: IntArray
    scale: float


def sample_of_evaluation(dataset: Dataset, most_blocks: int = 4) -> Sample:
    """Whole blocks of users as the evaluation makes them, evenly spaced by length; the longest histories are among them."""
    evaluated = dataset.split.users
    size = max(LEAST_BLOCK_SESSIONS, MAX_BLOCK_SCORES // (dataset.n_items + 1))
    starts = np.arange(len(evaluated), 0, -size)[::-1]  # ends of blocks that are full from the longest histories down
    chosen = np.unique(np.linspace(0, len(starts) - 1, most_blocks).round().astype(np.int64))
    by_length = np.argsort(dataset.split.train.lengths[evaluated], kind="stable")
    places = np.sort(np.concatenate([by_length[max(0, end - size) : end] for end in starts[chosen]]))
    some = Dataset(
        name=dataset.name,
        items=dataset.items,
        sequences=dataset.sequences.take(evaluated[places]),
        user_ids=[dataset.user_ids[user] for user in evaluated[places]],
        provenance=dataset.provenance,
    )
    return Sample(some, places, len(starts) / len(chosen))


def measure_validation(trainer: Trainer, sample: Sample) -> float:
    """Seconds to rank the validation items of all evaluated users, as after each epoch."""
    started = time.perf_counter()
    recommender = TableRecommender(trainer.model)
    ready = time.perf_counter()
    evaluate(recommender, sample.dataset, None, "valid", trainer.protocol)
    return ready - started + (time.perf_counter() - ready) * sample.scale
