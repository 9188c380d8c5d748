"""Content mixed with transition-kNN: similar items, and items that followed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from genair_engine.methods.base import FLOOR, ITEM_PARTS, BuildContext, Method, Source
from genair_engine.methods.floors.neighbours import MixtureOptions, from_arrays, to_arrays
from genair_engine.methods.floors.transition_knn import TransitionOptions, transitions


class ContentTransitionOptions(MixtureOptions, TransitionOptions):
    """Of content mixed with transition-kNN."""

    weight: float = Field(20.0, ge=0, description="what the neighbours' score counts beside the content's")


class ContentTransitionKNN(Method[ContentTransitionOptions]):
    """The content score plus `weight` times transition-kNN's; neither is rescaled, as with item-kNN."""

    name = "content-transition-knn"
    purpose = "content mixed with transition-knn"
    source = Source("ours")
    options = ContentTransitionOptions
    needs = (ITEM_PARTS,)
    tags = FLOOR

    def fit(self, context: BuildContext[ContentTransitionOptions]) -> dict[str, Any]:
        return to_arrays(transitions(context.training_data(), context.options))

    def build(self, context: BuildContext[ContentTransitionOptions]) -> Any:
        from genair_engine.methods.floors.scores import Content, Neighbours, WeightedSum

        options = context.options
        content = Content(context.item_vectors().numpy(), options.content_decay)
        return WeightedSum(content, Neighbours(from_arrays(context.fitted, context.n_items), options.decay), options.weight)
