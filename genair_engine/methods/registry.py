"""The methods by name: one line each. What a method is stands in its own file."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from genair_engine.methods.base import Method, Tags

PLACES = [
    "genair_engine.methods.genair:GenAIR",
    "genair_engine.methods.genair_id:GenAIRID",
    "genair_engine.methods.llminit:LLMInit",
    "genair_engine.methods.id:ID",
    "genair_engine.methods.floors.popularity:Popularity",
    "genair_engine.methods.floors.item_knn:ItemKNN",
    "genair_engine.methods.floors.transition_knn:TransitionKNN",
    "genair_engine.methods.floors.content:Content",
    "genair_engine.methods.floors.content_item_knn:ContentItemKNN",
    "genair_engine.methods.floors.content_transition_knn:ContentTransitionKNN",
    "genair_engine.methods.mixed:Mixed",
    "genair_engine.methods.reranked:Reranked",
]
"""Where each method stands, in the order in which lists show them."""


def _methods() -> dict[str, Method[Any]]:
    places = (place.partition(":") for place in PLACES)
    methods: list[Method[Any]] = [getattr(import_module(module), name)() for module, _, name in places]
    return {method.name: method for method in methods}


METHODS = _methods()


def tags_of(name: str) -> Tags:
    """What can be done with runs of a method; one that this version does not have was trained, as methods then were."""
    return METHODS[name].tags if name in METHODS else Tags()


def with_item_vectors() -> list[str]:
    """Methods whose recommenders score by the dot product of a session and an item, which an index needs."""
    return [name for name, method in METHODS.items() if method.tags.dot_product]


def exportable() -> list[str]:
    """Methods whose recommenders are a backbone and a table of item vectors, and nothing else."""
    return [name for name, method in METHODS.items() if method.tags.trained and method.tags.fixed_table]


def rank_new_items() -> list[str]:
    """Methods whose recommenders rank items that they were not trained on."""
    return [name for name, method in METHODS.items() if method.tags.ranks_new_items]
