"""What a run keeps of its evaluation: metrics of all users and of groups of them, top-10 lists as a whole, and ranks.

Per-user ranks stay in the run's folder, so that runs can be compared user by user (`compare`) without their models.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.evaluation.beyond import beyond_accuracy
from genair_engine.evaluation.groups import group_metrics, history_groups, popularity_groups
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Part, Protocol, evaluate
from genair_engine.interfaces import Recommender
from genair_engine.store import artifacts
from genair_engine.types import ItemArray

TOP = 10
"""Length of the lists whose coverage, novelty and popularity are measured."""
PARTS: tuple[Part, ...] = ("valid", "test")
RANKS = "ranks.safetensors"


@dataclass(frozen=True, eq=False)
class Measured:
    """metrics: {part: {protocol: {"HR@10": …}, "groups": {"popularity" | "history": {protocol: {label: {"users": n,
    "HR@10": …}}}}, "beyond": {"coverage@10": …}}}. ranks: {"test.full": [n_eval], …}, in the order of `Dataset.split.users`.
    """

    metrics: dict[str, dict[str, Any]]
    ranks: dict[str, npt.NDArray[np.float64]]


def measure(recommender: Recommender, dataset: Dataset, negatives: ItemArray, protocol: Protocol) -> Measured:
    """Ranks of all held-out items under both protocols ("full", "sampled100"), and everything that follows from them."""
    measured = Measured({}, {})
    for part in PARTS:
        evaluated = evaluate(recommender, dataset, negatives, part, protocol, top=TOP)
        assert evaluated.sampled is not None and evaluated.lists is not None  # both were asked for
        groups = {"popularity": popularity_groups(dataset, part), "history": history_groups(dataset)}
        ranks = {"full": evaluated.full, sampled_name(protocol.negatives): evaluated.sampled}
        measured.ranks.update({f"{part}.{name}": values for name, values in ranks.items()})
        measured.metrics[part] = {name: metrics(values) for name, values in ranks.items()} | {
            "groups": {
                kind: {name: group_metrics(values, members) for name, values in ranks.items()}
                for kind, members in groups.items()
            },
            "beyond": beyond_accuracy(evaluated.lists, dataset, TOP),
        }
    return measured


def sampled_name(negatives: int) -> str:
    """What the protocol with that many negatives is called."""
    return f"sampled{negatives}"


def save_ranks(folder: Path, measured: Measured) -> None:
    """Keeps the ranks in a run's folder. Ranks are whole or half numbers: float32 is exact up to 2^23 items."""
    artifacts.save_arrays(folder / RANKS, {name: values.astype(np.float32) for name, values in measured.ranks.items()})


def load_ranks(folder: Path, run: str) -> dict[str, npt.NDArray[np.float64]]:
    """The ranks of a run, as `Measured.ranks`. Raises InputError for a run that has none yet."""
    if not (folder / RANKS).exists():
        raise InputError(
            f"Run {run} has no ranks of single users: it was made by an earlier version. `evaluate {run}` adds them."
        )
    return {name: values.astype(np.float64) for name, values in artifacts.load_arrays(folder / RANKS).items()}
