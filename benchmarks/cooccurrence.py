"""What counting co-occurrence costs: `python -m benchmarks.cooccurrence`, results as Markdown on stdout.

Synthetic catalogues; every row is one Association built from all interactions. Memory is the arrays that the build
holds at its peak, result included, interactions not (tracemalloc, in a build of its own). Pairs are unordered pairs of events
of one user, within the window where there is one. The baseline counts the same pairs in a Python dictionary, on users drawn
at random where all would take too long; its seconds are then extrapolated by the number of pairs, and the table says so.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.losses.extra.association import Association

DICTIONARY_PAIRS = 2_000_000
"""The baseline counts at most about this many pairs and is extrapolated from there."""


def main() -> None:
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. Best of three builds.\n")
    print("| users | items | interactions | counting | pairs | distinct | seconds | µs a pair | peak MB | dictionary, s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    row(52_000, 57_000, 395_000)
    row(52_000, 57_000, 395_000, count_once=True)
    row(52_000, 57_000, 395_000, window=5)
    row(52_000, 57_000, 395_000, window=5, count_once=True)
    for doubling in range(5):  # more users of the same kind: pairs double, histories stay as they are
        row(52_000 << doubling, 57_000, 395_000 << doubling)
    for doubling in range(5):
        row(52_000 << doubling, 57_000, 395_000 << doubling, window=5)
    row(1_000, 10_000, 700_000)  # long histories
    row(1_000, 10_000, 700_000, window=50, count_once=True)


def row(users: int, items: int, interactions: int, window: int | None = None, count_once: bool = False) -> None:
    train = synthetic_dataset(users, items, interactions).sequences
    pairs = int(pairs_of(train, window).sum())
    seconds, megabytes, association = measured(lambda: Association(train, items, window, count_once))
    distinct = association.scores.nnz // 2
    counting = f"window {window}" if window else "whole history"
    baseline, share = dictionary(train, window, count_once)
    note = "" if share == 1 else f" (from {share:.0%} of the pairs)"
    print(
        f"| {users:,} | {items:,} | {interactions:,} | {counting}{', once a user' if count_once else ''} | {pairs:,} "
        f"| {distinct:,} | {seconds:.2f} | {1e6 * seconds / pairs:.3f} | {megabytes:.0f} | {baseline:.1f}{note} |",
        flush=True,
    )


def measured(build: Callable[[], Association]) -> tuple[float, float, Association]:
    """Seconds of the fastest of three builds, 10^6 bytes of arrays at the peak of a fourth, and its result."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        build()
        times.append(time.perf_counter() - started)
    tracemalloc.start()
    association = build()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return min(times), peak / 1e6, association


def pairs_of(train: Sequences, window: int | None) -> np.ndarray:
    """[n_users] pairs of events of each user."""
    reach = np.maximum(train.lengths - 1, 0)
    if window is not None:
        reach = np.minimum(reach, window)
    return reach * train.lengths - reach * (reach + 1) // 2


def dictionary(train: Sequences, window: int | None, count_once: bool) -> tuple[float, float]:
    """Seconds for all pairs, and the share of them that was counted."""
    pairs = pairs_of(train, window)
    users = np.random.default_rng(0).permutation(len(train))
    users = users[: np.searchsorted(np.cumsum(pairs[users]), DICTIONARY_PAIRS) + 1]
    histories = [train[user].tolist() for user in users]
    counts: dict[tuple[int, int], int] = {}
    started = time.perf_counter()
    for history in histories:
        seen: set[tuple[int, int]] = set()
        for place, a in enumerate(history):
            for b in history[place + 1 : None if window is None else place + 1 + window]:
                pair = (a, b) if a < b else (b, a)
                if a == b or (count_once and pair in seen):
                    continue
                if count_once:
                    seen.add(pair)
                counts[pair] = counts.get(pair, 0) + 1
    share = pairs[users].sum() / pairs.sum()
    return (time.perf_counter() - started) / share, share


if __name__ == "__main__":
    main()
