"""The methods by name: one line each. What a method is stands in its own file."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from genair_engine.methods.base import Method

PLACES = [
    "genair_engine.methods.genair:GenAIR",
    "genair_engine.methods.genair_id:GenAIRID",
    "genair_engine.methods.llminit:LLMInit",
    "genair_engine.methods.id:ID",
]
"""Where each method stands, in the order in which lists show them."""


def _methods() -> dict[str, Method[Any]]:
    places = (place.partition(":") for place in PLACES)
    methods: list[Method[Any]] = [getattr(import_module(module), name)() for module, _, name in places]
    return {method.name: method for method in methods}


METHODS = _methods()


def rank_new_items() -> list[str]:
    """Methods whose recommenders rank items that they were not trained on."""
    return [name for name, method in METHODS.items() if method.tags.ranks_new_items]
