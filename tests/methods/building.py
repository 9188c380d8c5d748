"""Small recommenders of every method: what its needs are met with, and its training on tiny data."""

from __future__ import annotations

from typing import Any

import torch

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sessions import Sessions
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.item_parts import ItemParts
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.training.trainer import Trainer

WIDTH = 6


def representation(n_items: int, width: int = WIDTH) -> ItemParts:
    """Two parts of random vectors."""
    rows = torch.randn(n_items, width, generator=torch.Generator().manual_seed(9)).numpy()
    return ItemParts(rows, {"decoding": width // 2, "title": width - width // 2})


class SomeRun:
    """Another run's recommender, as a run is read that is made of others: random scores, the same after every session."""

    reads = None

    def __init__(self, n_items: int) -> None:
        self.values = torch.randn(n_items + 1, generator=torch.Generator().manual_seed(7))

    def score(self, sessions: Sessions, items: torch.Tensor | None = None) -> torch.Tensor:
        whole = self.values.repeat(len(sessions), 1)
        return whole if items is None else whole[:, items]


def inputs(config: RunConfig, n_items: int, width: int = WIDTH) -> dict[str, Any]:
    """An input for every need of the method. A need of a new kind is met here."""
    makers = {"representation": lambda: representation(n_items, width), "run": lambda: SomeRun(n_items)}
    return {need.role: makers[need.kind]() for need in config.definition.needs}


def built(config: RunConfig, n_items: int, width: int = WIDTH) -> SequenceRecommender:
    """The untrained model; random weights follow from torch's seed."""
    return build_recommender(config, n_items, inputs(config, n_items, width))


def trainer(dataset: Dataset, config: RunConfig, seed: int | None = None) -> Trainer:
    """A trainer at its start, with the weights that the seed gives, by default the run's."""
    torch.manual_seed(config.seed if seed is None else seed)
    return Trainer(built(config, dataset.n_items), dataset, config, inputs(config, dataset.n_items))
