"""The registry of methods and backbones. A method is an item table plus whether its vectors are calibrated.

`build_recommender` is the only place that assembles a model from its configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from genair_engine.errors import InputError
from genair_engine.methods.config import ModelConfig
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.models import BERT4Rec, GRU4Rec, IdItems, ItemTable, ProjectedItems, ResidualItems, SASRec
from genair_engine.models.backbone import Backbone
from genair_engine.models.items import leading_components


@dataclass(frozen=True)
class Method:
    """How a method makes item vectors, and whether it calibrates them.

    items: (n_items, configuration, representation [n_items, D] or None) → ItemTable.
    """

    name: str
    purpose: str
    needs_representation: bool
    calibrated: bool
    items: Callable[[int, ModelConfig, Tensor | None], ItemTable]


def _given(representation: Tensor | None, n_items: int) -> Tensor:
    if representation is None:
        raise InputError("This method needs an item representation: make one with `represent`, and name it.")
    if len(representation) != n_items:
        raise InputError(f"The representation has {len(representation)} rows for {n_items} items.")
    return representation


METHODS = {
    method.name: method
    for method in (
        Method(
            name="genair",
            purpose="archetype representation behind a trainable projector, with behavioural calibration (WWW 2026)",
            needs_representation=True,
            calibrated=True,
            items=lambda n_items, c, rows: ProjectedItems(_given(rows, n_items), c.dim, c.projector_dropout),
        ),
        Method(
            name="genair-id",
            purpose="GenAIR plus a free vector an item that starts at zero; an extension of ours, not in the paper",
            needs_representation=True,
            calibrated=True,
            items=lambda n_items, c, rows: ResidualItems(_given(rows, n_items), c.dim, c.projector_dropout),
        ),
        Method(
            name="llminit",
            purpose="free vectors that start at the representation's leading components (baseline of the paper)",
            needs_representation=True,
            calibrated=False,
            items=lambda n_items, c, rows: IdItems(n_items, c.dim, leading_components(_given(rows, n_items), c.dim)),
        ),
        Method(
            name="id",
            purpose="one free vector an item; the baseline without item content",
            needs_representation=False,
            calibrated=False,
            items=lambda n_items, c, _: IdItems(n_items, c.dim),
        ),
    )
}

BACKBONES: dict[str, Callable[[ModelConfig], Backbone]] = {
    "sasrec": lambda c: SASRec(c.dim, c.max_len, c.layers, c.heads, c.dropout, c.public_code_attention),
    "bert4rec": lambda c: BERT4Rec(c.dim, c.max_len, c.layers, c.heads, c.dropout, c.public_code_attention),
    "gru4rec": lambda c: GRU4Rec(c.dim, c.max_len, c.layers, c.dropout),
}


def build_recommender(config: ModelConfig, n_items: int, representation: Tensor | None = None) -> SequenceRecommender:
    """The untrained model of a configuration. representation: [n_items, D], for methods that need one.

    Raises InputError where the parts do not fit, NonFiniteError for a representation that is not finite.
    """
    items = METHODS[config.method].items(n_items, config, representation)
    return SequenceRecommender(items, BACKBONES[config.backbone](config), config.dropout if config.shortcut else None)
