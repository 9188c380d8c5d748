"""GenAIR with a free vector an item on top: an extension of ours, not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genair_engine.methods.base import BuildContext, Source, Tags
from genair_engine.methods.genair import GenAIR, GenAIROptions


class GenAIRID(GenAIR):
    """e_i = p_θ(E_i) + z_i with a free z_i that starts at zero: content first, and what only behaviour tells on top."""

    name = "genair-id"
    purpose = "GenAIR plus a free vector an item that starts at zero; an extension of ours, not in the paper"
    source = Source("ours")
    tags = Tags(ranks_new_items=True, calibrated=True, added_vectors=True)

    def build(self, context: BuildContext[GenAIROptions]) -> Any:
        from genair_engine.models.items import ResidualItems

        items = ResidualItems(context.item_vectors(), context.dim, context.options.projector_dropout)
        return context.sequence_recommender(items)

    def departures(self, options: GenAIROptions, parts: Sequence[str] = ()) -> list[str]:
        return ["a free vector an item beside the projector (extension)", *super().departures(options, parts)]
