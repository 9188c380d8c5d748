"""Content: items that are like those of the history, by the cosine of their representations."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from genair_engine.methods.base import FLOOR, ITEM_PARTS, BuildContext, Method, Source
from genair_engine.methods.item_parts import PartOptions


class ContentOptions(PartOptions):
    """Of the content floor."""

    decay: float = Field(0.5, gt=0, le=1, description="weight of an item of the history relative to the one after it")


class Content(Method[ContentOptions]):
    """Cosine between an item's vector and the recency-weighted mean of the history's unit vectors."""

    name = "content"
    purpose = "similarity to the history's content"
    source = Source("ours")
    options = ContentOptions
    needs = (ITEM_PARTS,)
    tags = FLOOR

    def build(self, context: BuildContext[ContentOptions]) -> Any:
        from genair_engine.methods.floors.scores import Content as ContentScores

        return ContentScores(context.item_vectors().numpy(), context.options.decay)
