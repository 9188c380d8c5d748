"""Reranked: the best items of one run, put into another order by a second run (two-stage recommendation).

The usual way to use a recommender that is slow or good at the top only: a first stage finds candidates, a second one orders
them (e.g. Covington et al., RecSys 2016). What is no candidate stays behind, in the first stage's order. Nothing is learnt and
nothing is stored but which runs these are.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from genair_engine.methods.base import BuildContext, Method, Need, Source, Tags
from genair_engine.options import Options

CANDIDATES = Need("candidates", "run", "the run whose best items are reordered")
RANKER = Need("ranker", "run", "the run that orders them")


class RerankedOptions(Options):
    """Of a reranking."""

    best: int = Field(
        100,
        ge=1,
        le=100_000,
        description="how many of the first run's best items the second orders, beside those of the session itself [items]",
    )


class Reranked(Method[RerankedOptions]):
    """The `best` items by the run `candidates`, ordered by the run `ranker`; all others follow in the first order."""

    name = "reranked"
    purpose = "one run's best items in another run's order"
    source = Source("paper", "two stages: Covington et al., RecSys 2016")
    options = RerankedOptions
    needs = (CANDIDATES, RANKER)
    tags = Tags(trained=False, dot_product=False, fixed_table=False)

    def build(self, context: BuildContext[RerankedOptions]) -> Any:
        from genair_engine.methods.combined import RerankedScores

        return RerankedScores(context.input(CANDIDATES.role), context.input(RANKER.role), context.options.best)
