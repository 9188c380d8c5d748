"""Mixed: a weighted sum of two runs' scores, each brought to one scale within a session.

Scores of two recommenders have units of their own, so that they are normalised over the catalogue first, session by session:
to mean 0 and standard deviation 1, or to the range from 0 to 1 (CombSUM with the normalisations of Lee, SIGIR 1997, and
Montague & Aslam, CIKM 2001). Nothing is learnt and nothing is stored but which runs these are.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from genair_engine.methods.base import BuildContext, Method, Need, Source, Tags
from genair_engine.options import Options

FIRST = Need("first", "run", "the run whose score counts 1 − weight")
SECOND = Need("second", "run", "the run whose score counts weight")


class MixedOptions(Options):
    """Of a mixture."""

    weight: float = Field(0.5, ge=0, le=1, description="share of the second run's score: 0 = the first alone, 1 = the second")
    normalisation: Literal["z", "minmax"] = Field(
        "z", description="of each score over the catalogue: z = mean 0 and standard deviation 1, minmax = from 0 to 1"
    )


class Mixed(Method[MixedOptions]):
    """(1 − weight) · n(first) + weight · n(second), n the normalisation over the items of the catalogue."""

    name = "mixed"
    purpose = "weighted sum of two runs' normalised scores"
    source = Source("paper", "CombSUM: Lee, SIGIR 1997; Montague & Aslam, CIKM 2001")
    options = MixedOptions
    needs = (FIRST, SECOND)
    tags = Tags(trained=False, dot_product=False, fixed_table=False)

    def build(self, context: BuildContext[MixedOptions]) -> Any:
        from genair_engine.methods.combined import MixedScores

        first, second = context.input(FIRST.role), context.input(SECOND.role)
        return MixedScores(first, second, context.options.weight, context.options.normalisation)
