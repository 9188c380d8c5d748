"""Popularity: every item's number of training interactions, whoever asks."""

from __future__ import annotations

from typing import Any

from genair_engine.methods.base import FLOOR, BuildContext, Method, Source
from genair_engine.options import Options


class Popularity(Method[Options]):
    """The same list for everybody, the most popular item first."""

    name = "popularity"
    purpose = "training interactions of the item"
    source = Source("ours")
    options = Options
    tags = FLOOR

    def fit(self, context: BuildContext[Options]) -> dict[str, Any]:
        return {"counts": context.training_data().popularity}

    def build(self, context: BuildContext[Options]) -> Any:
        from genair_engine.methods.floors.scores import Counts

        return Counts(context.fitted["counts"])
