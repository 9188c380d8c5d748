"""Methods: what turns a backbone into a recommender. One registry; a method is an item table plus its extra losses.

`build_recommender` is the only place that assembles a model from its configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from genair_engine.errors import InputError
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.models import IdItems, ItemTable, ProjectedItems, SASRec


@dataclass(frozen=True)
class Method:
    """How a method makes item vectors, and whether it calibrates them.

    items: (n_items, dim, representation [n_items, D] or None) → ItemTable.
    """

    name: str
    purpose: str
    needs_representation: bool
    calibrated: bool
    items: Callable[[int, int, Tensor | None], ItemTable]


def _projected(n_items: int, dim: int, representation: Tensor | None) -> ItemTable:
    if representation is None:
        raise InputError("This method needs an item representation: make one with `represent`, and name it.")
    if len(representation) != n_items:
        raise InputError(f"The representation has {len(representation)} rows for {n_items} items.")
    return ProjectedItems(representation, dim)


METHODS = {
    method.name: method
    for method in (
        Method(
            name="genair",
            purpose="archetype representation behind a trainable projector, with behavioural calibration (WWW 2026)",
            needs_representation=True,
            calibrated=True,
            items=_projected,
        ),
        Method(
            name="id",
            purpose="one free vector an item; the baseline without item content",
            needs_representation=False,
            calibrated=False,
            items=lambda n_items, dim, _: IdItems(n_items, dim),
        ),
    )
}

BACKBONES = {"sasrec": SASRec}


def build_recommender(
    method: str,
    backbone: str,
    *,
    n_items: int,
    representation: Tensor | None = None,
    dim: int = 128,
    layers: int = 2,
    heads: int = 1,
    dropout: float = 0.5,
    max_len: int = 200,
) -> SequenceRecommender:
    """The untrained model of a method on a backbone. Raises InputError where the parts do not fit."""
    items = METHODS[method].items(n_items, dim, representation)
    return SequenceRecommender(items, BACKBONES[backbone](dim, layers, heads, dropout, max_len))


__all__ = ["BACKBONES", "METHODS", "Method", "SequenceRecommender", "build_recommender"]
