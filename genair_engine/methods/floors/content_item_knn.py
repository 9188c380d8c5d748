"""Content mixed with item-kNN: similar items, and items with users in common."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from genair_engine.methods.base import FLOOR, ITEM_PARTS, BuildContext, Method, Source
from genair_engine.methods.floors.item_knn import shared_users
from genair_engine.methods.floors.neighbours import MixtureOptions, NeighbourOptions, from_arrays, to_arrays


class ContentItemKNNOptions(MixtureOptions, NeighbourOptions):
    """Of content mixed with item-kNN."""

    weight: float = Field(10.0, ge=0, description="what the neighbours' score counts beside the content's")


class ContentItemKNN(Method[ContentItemKNNOptions]):
    """The content score plus `weight` times item-kNN's; neither is rescaled, so that much evidence has a larger share."""

    name = "content-item-knn"
    purpose = "content mixed with item-knn"
    source = Source("ours")
    options = ContentItemKNNOptions
    needs = (ITEM_PARTS,)
    tags = FLOOR

    def fit(self, context: BuildContext[ContentItemKNNOptions]) -> dict[str, Any]:
        return to_arrays(shared_users(context.training_data(), context.options.shrinkage))

    def build(self, context: BuildContext[ContentItemKNNOptions]) -> Any:
        from genair_engine.methods.floors.scores import Content, Neighbours, WeightedSum

        options = context.options
        content = Content(context.item_vectors().numpy(), options.content_decay)
        return WeightedSum(content, Neighbours(from_arrays(context.fitted, context.n_items), options.decay), options.weight)
