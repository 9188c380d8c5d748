"""What training costs: `python -m benchmarks.train [settings] [public-code] [growth] [--plot FILE.svg]`, Markdown on stdout.

Every case is a fresh process that builds a trainer and runs whole steps (forward, backward, Adam, running average) on real
batches in random order: seconds an epoch are the mean step times the steps of an epoch, validation not counted; memory is
the process's largest resident set, with everything that is loaded (an empty process with torch and pandas in it is listed
for comparison). Item vectors are random: their values do not change the cost.

settings: every backbone × loss × calibration at 1 and 2 threads, on the sequences of amazon-scientific.
public-code: the paper's settings beside a reconstruction of the public code's cost structure, timed in the same run.
growth: how the cost grows with the number of items and with the length of histories, on synthetic catalogues; plotted.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks import public_code
from benchmarks.data import SCIENTIFIC
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers import read_dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.devices import peak_memory
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.item_parts import ItemParts
from genair_engine.training.trainer import Trainer

PARTS = ("settings", "public-code", "growth")
BACKBONES = ("sasrec", "bert4rec", "gru4rec")
LOSSES = ("bpr", "bce", "sampled", "ce")
COLUMNS = 391
"""Width of the representation: MiniLM's of metadata and archetypes at 95 % of their variance."""

PAPER = {"max_len": 200, "batch_size": 128, "dim": 128, "dropout": 0.5}
STATED = {"sasrec": 127.0, "bert4rec": 168.0, "gru4rec": 23.0}
"""Seconds an epoch of the public code on the same data and kind of machine, as the project's issue states them."""

SECONDS, LONG = 2.5, 20.0
"""A case stops after this long (LONG where ratios are made of it), or after three epochs; it always runs eight steps."""


@dataclass(frozen=True)
class Case:
    """users 0: amazon-scientific's sequences; else a synthetic catalogue of users × length events over `items`."""

    backbone: str = "sasrec"
    loss: str = "bce"
    alpha: float = 0.0
    threads: int = 2
    method: str = "genair"
    users: int = 0
    items: int = 0
    length: int = 0
    budget: float = SECONDS


@dataclass(frozen=True)
class Cost:
    seconds: float
    users_a_second: float
    megabytes: float
    steps: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--plot", type=Path, help="where the growth part draws its plot")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: give {', '.join(PARTS)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, {sys.platform}.")
    print(f"A process that has only imported everything: {measured(None).megabytes:,.0f} MB.")
    if "settings" in options.parts:
        settings()
    if "public-code" in options.parts:
        against_public_code()
    if "growth" in options.parts:
        growth(options.plot)


def settings() -> None:
    print(
        "\n| backbone | loss | calibration | threads | s an epoch | users a second | peak MB |\n|---|---|---|---|---|---|---|"
    )
    for backbone, loss, threads in itertools.product(BACKBONES, LOSSES, (1, 2)):
        plain = Case(backbone, loss, 0.0, threads)
        without, with_it = measured(plain), measured(replace(plain, alpha=0.1))
        for name, cost in (("no", without), (f"yes ({with_it.seconds / without.seconds - 1:+.0%})", with_it)):
            print(
                f"| {backbone} | {loss} | {name} | {threads} | {cost.seconds:.2f} | {cost.users_a_second:,.0f} "
                f"| {cost.megabytes:,.0f} |",
                flush=True,
            )


def against_public_code() -> None:
    print("\n| paper's settings, BCE, calibration on, 2 threads | s an epoch | ratio |\n|---|---|---|")
    for backbone in BACKBONES:
        theirs = reconstructed(backbone)
        ours = measured(Case(backbone, "bce", 0.1, budget=LONG))
        print(f"| {backbone}, public code as the issue measured it | {STATED[backbone]:.0f} | |")
        print(f"| {backbone}, its cost structure (reconstruction) | {theirs:.1f} | 1 |")
        print(
            f"| {backbone}, ours | {ours.seconds:.2f} | {theirs / ours.seconds:.0f} times faster "
            f"({STATED[backbone] / ours.seconds:.0f} times against the stated figure) |",
            flush=True,
        )


def growth(plot: Path | None) -> None:
    by_items = [
        Case(backbone, loss, users=2_000, items=items, length=10)
        for backbone, loss, items in itertools.product(("sasrec",), LOSSES, (4_000, 60_000, 1_000_000))
    ]
    by_length = [
        Case(backbone, "bce", users=2_000, items=4_000, length=length)
        for backbone, length in itertools.product(BACKBONES, (10, 25, 50, 100, 200))
    ]
    print("\n| backbone | loss | items | events a history | s an epoch of 2,000 users | users a second | peak MB |")
    print("|---|---|---|---|---|---|---|")
    costs = {}
    for case in by_items + by_length:
        costs[case] = cost = measured(case)
        print(
            f"| {case.backbone} | {case.loss} | {case.items:,} | {case.length} | {cost.seconds:.2f} "
            f"| {cost.users_a_second:,.0f} | {cost.megabytes:,.0f} |",
            flush=True,
        )
    if plot is not None:
        draw(plot, costs, by_items, by_length)


def measured(case: Case | None) -> Cost:
    """What a case costs, in a process of its own; None is a process that does nothing."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, case).result()


def _measure(case: Case | None) -> Cost:
    with peak_memory(torch.device("cpu")) as peak:
        seconds, users, steps = _train(case) if case is not None else (0.0, 0, 0)
    return Cost(seconds, users / seconds if seconds else 0.0, peak.megabytes, steps)


def _train(case: Case) -> tuple[float, int, int]:
    torch.set_num_threads(case.threads)
    dataset = sequences_of(case)
    settings = {key: value for key, value in asdict(case).items() if key in ("backbone", "loss", "alpha", "method")}
    config = RunConfig.of(**settings, **PAPER)
    torch.manual_seed(0)
    rows = torch.randn(dataset.n_items, COLUMNS).numpy()
    inputs = {need.role: ItemParts.of_one_part(rows) for need in config.definition.needs}
    trainer = Trainer(build_recommender(config, dataset.n_items, inputs), dataset, config, inputs)
    trainer.model.train()
    rng = np.random.default_rng(0)
    for batch in itertools.islice(trainer.batches.epoch(rng, trainer.device), 3):
        trainer.step(batch)
    times: list[float] = []
    for batch in itertools.chain.from_iterable(trainer.batches.epoch(rng, trainer.device) for _ in range(3)):
        started = time.perf_counter()
        trainer.step(batch)
        times.append(time.perf_counter() - started)
        if sum(times) > case.budget and len(times) >= 8:
            break
    return statistics.fmean(times) * len(trainer.batches), trainer.batches.first_pass, len(times)


def sequences_of(case: Case) -> Dataset:
    if not case.users:
        return read_dataset(SCIENTIFIC, "scientific").dataset
    random = np.random.default_rng(0)
    # Popularity by a power law; lengths between half and one and a half of the mean, plus the two held-out events.
    lengths = random.integers(case.length // 2, case.length * 3 // 2, case.users) + 3
    items = (case.items * random.random(lengths.sum()) ** 3).astype(np.int32) + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    frame = pd.DataFrame({"item_id": np.arange(case.items)})
    return Dataset("synthetic", frame, Sequences(items, offsets), [str(user) for user in range(case.users)])


def reconstructed(backbone: str) -> float:
    """Seconds an epoch of the public code's cost structure with calibration."""
    torch.set_num_threads(2)
    dataset = sequences_of(Case())
    model = public_code.PublicCodeShape(torch.randn(dataset.n_items, COLUMNS), dataset, True, backbone)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
    times = []
    for batch in public_code.batches(dataset, 6, cloze=backbone == "bert4rec"):
        started = time.perf_counter()
        optimizer.zero_grad()
        model.loss(*batch).backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    histories = int((dataset.split.train.lengths >= 2).sum()) * (2 if backbone == "bert4rec" else 1)
    return statistics.fmean(times[2:]) * -(-histories // 128)  # the first two warm up


def draw(path: Path, costs: dict[Case, Cost], by_items: Iterable[Case], by_length: Iterable[Case]) -> None:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for panel, cases, label, over in (
        (panels[0], list(by_items), "loss", "items"),
        (panels[1], list(by_length), "backbone", "length"),
    ):
        for name in dict.fromkeys(getattr(case, label) for case in cases):
            mine = [case for case in cases if getattr(case, label) == name]
            panel.loglog([getattr(c, over) for c in mine], [costs[c].seconds for c in mine], marker="o", label=name)
        panel.set_xlabel("items in the catalogue" if over == "items" else "events a history")
        panel.set_ylabel("seconds an epoch of 2,000 users")
        panel.set_title("SASRec, 10 events a history" if over == "items" else "BCE, 4,000 items")
        panel.grid(True, which="both", alpha=0.3)
        panel.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
