"""LLMInit: free item vectors that start at the representation (baseline of the paper; methods.md 4.4, variant "pca")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from genair_engine.methods.base import ITEM_PARTS, BuildContext, Method, Presets, Source
from genair_engine.methods.item_parts import PartOptions, part_departures


class LLMInit(Method[PartOptions]):
    """One free vector an item, which starts at the leading principal components of the item's representation."""

    name = "llminit"
    purpose = "free vectors that start at the representation's leading components (baseline of the paper)"
    source = Source("paper", "Harte et al., RecSys 2023; baseline of GenAIR, WWW 2026")
    options = PartOptions
    needs = (ITEM_PARTS,)
    presets: ClassVar[Presets] = {"studio": {"scaling": "parts"}}

    def build(self, context: BuildContext[PartOptions]) -> Any:
        from genair_engine.models.items import IdItems, leading_components

        items = IdItems(context.n_items, context.dim, leading_components(context.item_vectors(), context.dim))
        return context.sequence_recommender(items)

    def departures(self, options: PartOptions, parts: Sequence[str] = ()) -> list[str]:
        return super().departures(options, parts) + part_departures(options, parts)
