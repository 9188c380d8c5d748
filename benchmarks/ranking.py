"""Full ranking of a large catalogue: `python -m benchmarks.ranking [--users 52000] [--items 57000]`, Markdown on stdout.

Every row is a fresh process: seconds of `evaluate` and the process's peak resident memory, beside what it needed before
evaluating (imports, data, vectors). Scores are products of random user states and item vectors of width d = 128: what the
ranking of any dot-product model costs, without the forward pass that makes the states. The product itself is also timed
alone. The baseline ranks a sample of users the usual way (argsort of the scores, methods.md 1 b; seen items set to minus
infinity row by row) in the same run; its seconds are extrapolated to all users.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import time

import numpy as np
import torch
from torch import Tensor

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.negatives import draw_negatives
from genair_engine.catalog.sessions import Sessions
from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.evaluation.protocol import MAX_BLOCK_SCORES, Protocol, evaluate

EVENTS_A_USER = 7.6
SAMPLE = 512
"""Users that the baseline ranks."""
WAYS = ("full", "full and 100 negatives", "full, 100 negatives and lists of 50", "the product alone", "argsort of the scores")


class RandomVectors:
    """Scores by random user states and item vectors."""

    reads = None

    def __init__(self, users: int, items: int, dim: int) -> None:
        random = torch.Generator().manual_seed(0)
        self.states = torch.randn(users, dim, generator=random)
        self.items = torch.randn(items + 1, dim, generator=random)

    @torch.inference_mode()
    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """A user's state stands for the session."""
        assert sessions.users is not None  # this benchmark gives them
        return self.states[torch.from_numpy(sessions.users)] @ (self.items if items is None else self.items[items]).T


def measure(way: str, users: int, items: int, threads: int) -> tuple[float, float, float]:
    """(seconds, MB before, MB at the peak) of one way of ranking, in this process."""
    torch.set_num_threads(threads)
    dataset = synthetic_dataset(users, items, int(users * EVENTS_A_USER))
    recommender = RandomVectors(dataset.n_users, items, dim=128)
    negatives = draw_negatives(dataset.sequences, dataset.split.users, items) if "negatives" in way else None
    before = _peak()
    started = time.perf_counter()
    if way == "the product alone":
        _product(recommender, dataset)
    elif way == "argsort of the scores":
        _naive(recommender, dataset)
    else:
        evaluate(recommender, dataset, negatives, "test", Protocol(), top=50 if "lists" in way else 0)
    seconds = time.perf_counter() - started
    share = len(dataset.split.users) / SAMPLE if way == "argsort of the scores" else 1.0
    return seconds * share, before, _peak()


def _product(recommender: RandomVectors, dataset: Dataset) -> None:
    block = MAX_BLOCK_SCORES // (dataset.n_items + 1)
    for start in range(0, len(dataset.split.users), block):
        recommender.score(Sessions.of_users(dataset.sequences, dataset.split.users[start : start + block]))


def _naive(recommender: RandomVectors, dataset: Dataset) -> None:
    users = dataset.split.users[:SAMPLE]
    scores = recommender.score(Sessions.of_users(dataset.sequences, users)).numpy()
    for row, user in enumerate(users.tolist()):
        scores[row, dataset.sequences[user][:-1]] = -np.inf
    order = np.argsort(-scores, axis=1)
    np.argmax(order == dataset.split.test[:SAMPLE, None], axis=1)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if platform.system() == "Linux" else 1024**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=52_000)
    parser.add_argument("--items", type=int, default=57_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{options.users:,} users, {options.items:,} items, d = 128, {options.threads} threads, load before: {load:.1f}\n")
    print("| ranking | seconds | MB before | MB at the peak |\n|---|---|---|---|")
    processes = multiprocessing.get_context("spawn")
    for way in WAYS:
        with processes.Pool(1) as pool:
            seconds, before, peak = pool.apply(measure, (way, options.users, options.items, options.threads))
        note = f" ({SAMPLE} users, extrapolated; memory of the sample)" if way.startswith("argsort") else ""
        print(f"| {way}{note} | {seconds:.1f} | {before:,.0f} | {peak:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
