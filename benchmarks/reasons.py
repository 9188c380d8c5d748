"""How long reasons take: `python -m benchmarks.reasons`, Markdown on stdout. Bar: 10 results in 100 ms.

Leave-one-out contributions for ten results (SASRec, width 128, two blocks, 60,000 items; what the model weighs does not matter
to the time), and the whole verb on a run of a real workspace, once that is loaded.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from genair_engine import verbs
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.recommender import TableRecommender
from genair_engine.serving.reasons import leave_one_out
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace

ITEMS = 60_000
LENGTHS = (1, 5, 10, 25, 50, 200)
RESULTS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="to time the whole verb: a workspace, and …")
    parser.add_argument("--run", help="… a run in it")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    contributions()
    if options.workspace and options.run:
        whole(Workspace.open(Settings(workspace=options.workspace, database_url=None)), options.run)


def contributions() -> None:
    config = RunConfig.of(method="id", dim=128, layers=2, max_len=200)
    recommender = TableRecommender(build_recommender(config, ITEMS))
    random = np.random.default_rng(0)
    print("\n| leave-one-out: items of the session | p50 ms | p90 ms |\n|---|---|---|")
    for length in LENGTHS:
        session, results = random.integers(1, ITEMS + 1, length), random.integers(1, ITEMS + 1, RESULTS)
        print(f"| {length} | {timed(lambda: leave_one_out(recommender, session, results))} |", flush=True)  # noqa: B023


def whole(workspace: Workspace, run: str) -> None:
    recommender = verbs.load_recommender(workspace, run)
    dataset = recommender.catalogue
    ids, random = dataset.items["item_id"].to_numpy(), np.random.default_rng(0)
    print(f"\n| `explain_items`, {dataset.name}, {run}: items of the session | p50 ms | p90 ms |\n|---|---|---|")
    for length in LENGTHS[:-1]:
        session, results = ids[random.integers(0, len(ids), length)], ids[random.integers(0, len(ids), RESULTS)]
        call = timed(lambda: verbs.explain_items(workspace, recommender, session, results))  # noqa: B023
        print(f"| {length} | {call} |", flush=True)


def timed(call: Callable[[], object], times: int = 20) -> str:
    """Median and 90th percentile of some calls after one that does not count, in ms."""
    call()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(taken):.1f} | {statistics.quantiles(taken, n=10)[-1]:.1f}"


if __name__ == "__main__":
    main()
