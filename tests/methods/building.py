"""Small recommenders of every method: what its needs are met with, and its training on tiny data."""

from __future__ import annotations

from typing import Any

import torch

from genair_engine.catalog.dataset import Dataset
from genair_engine.methods.base import ITEM_PARTS
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.item_parts import ItemParts
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.training.trainer import Trainer

WIDTH = 6


def representation(n_items: int, width: int = WIDTH) -> ItemParts:
    """Two parts of random vectors."""
    rows = torch.randn(n_items, width, generator=torch.Generator().manual_seed(9)).numpy()
    return ItemParts(rows, {"decoding": width // 2, "title": width - width // 2})


def inputs(config: RunConfig, n_items: int, width: int = WIDTH) -> dict[str, Any]:
    """An input for every need of the method. A need of a new kind is met here."""
    makers = {ITEM_PARTS: representation}
    return {need.role: makers[need](n_items, width) for need in config.definition.needs}


def built(config: RunConfig, n_items: int, width: int = WIDTH) -> SequenceRecommender:
    """The untrained model; random weights follow from torch's seed."""
    return build_recommender(config, n_items, inputs(config, n_items, width))


def trainer(dataset: Dataset, config: RunConfig, seed: int | None = None) -> Trainer:
    """A trainer at its start, with the weights that the seed gives, by default the run's."""
    torch.manual_seed(config.seed if seed is None else seed)
    return Trainer(built(config, dataset.n_items), dataset, config, inputs(config, dataset.n_items))
