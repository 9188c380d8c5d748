"""The methods by name: one line each. What a method is stands in its own file."""

from __future__ import annotations

from typing import Any

from genair_engine.methods.base import Method
from genair_engine.methods.genair import GenAIR
from genair_engine.methods.genair_id import GenAIRID
from genair_engine.methods.id import ID
from genair_engine.methods.llminit import LLMInit

METHODS: dict[str, Method[Any]] = {
    method.name: method
    for method in (
        GenAIR(),
        GenAIRID(),
        LLMInit(),
        ID(),
    )
}


def rank_new_items() -> list[str]:
    """Methods whose recommenders rank items that they were not trained on."""
    return [name for name, method in METHODS.items() if method.tags.ranks_new_items]
