"""A free vector an item, which knows nothing of the item but who took it: the baseline of everything else."""

from __future__ import annotations

from typing import Any

from genair_engine.methods.base import BuildContext, Method, Source
from genair_engine.options import Options


class ID(Method[Options]):
    """One free vector an item, as sequential recommenders without item content have it."""

    name = "id"
    purpose = "one free vector an item; the baseline without item content"
    source = Source("paper", "the backbones' own papers")
    options = Options

    def build(self, context: BuildContext[Options]) -> Any:
        from genair_engine.models.items import IdItems

        return context.sequence_recommender(IdItems(context.n_items, context.dim))
