"""What `explain` is asked and answers: reasons for each recommended item, and what the list is like as a whole."""

from __future__ import annotations

from pydantic import Field

from genair_engine.verbs.base import Record, Result, Verb, positional
from genair_engine.verbs.recommending.filters import FilteredRequest

MOST_EXPLAINED = 100
"""Items that are explained at once."""


LIST_MEASURES = {
    "diversity": "How different the items of the list are from each other: the mean cosine distance between their vectors in "
    "this model, from 0 (all alike) up; unrelated items have about 1.",
    "novelty": "How rarely the items of the list were taken in training: the mean of −log₂ of their share of all "
    "interactions, in bits; one bit more means half as popular.",
    "long_tail": "The share of the list that is not among the most popular fifth of the catalogue.",
}
"""What the measures of a list are, in a sentence each."""


class ExplainRequest(FilteredRequest):
    """Say why items are recommended after a session."""

    run: str = positional("run")
    items: list[str] = Field(min_length=1, description="the session: item ids, oldest first, separated by commas")
    k: int = Field(10, ge=1, le=MOST_EXPLAINED, description="how many items", json_schema_extra={"short": "-k"})
    include_seen: bool = Field(False, description="let items of the session be recommended again")


class Contribution(Record):
    """place: of the session's item, 1 for the oldest. value: by how much the score falls without it; None for the only
    item.
    """

    place: int
    item: str
    value: float | None


class SharedAudience(Record):
    """Two archetypes that name the same audience: the result's, and that of an item of the session.

    overlap: share of words that the two names have in common, from `SAME_AUDIENCE` to 1 (equal).
    """

    audience: str
    place: int
    item: str
    of_item: str
    overlap: float


class Reason(Record):
    """popularity: training interactions; popularity_group: 1 (least) … 5 (most popular). shared: the nearest first."""

    item: str
    position: int
    title: str
    score: float
    popularity: int
    popularity_group: int
    contributions: list[Contribution]
    shared: list[SharedAudience]


class ListMeasures(Record):
    """What a list is like as a whole: `LIST_MEASURES`. diversity is None for a list of one, and without item vectors."""

    diversity: float | None
    novelty: float
    long_tail: float


class ExplainResult(ListMeasures, Result):
    """reads: how many of the session's last items the model reads; older ones contribute nothing. archetypes: the set whose
    audiences are compared, written by `model` (None where the data set has no archetypes).
    """

    run: str
    dataset: str
    session: list[str]
    reads: int
    archetypes: str | None
    model: str | None
    reasons: list[Reason]

    def lines(self) -> list[str]:
        shown = []
        for number, reason in enumerate(self.reasons, start=1):
            pushed = sorted(reason.contributions, key=lambda each: -(each.value or 0.0))[:3]
            pushes = ", ".join(f"{each.item} {each.value:+.3f}" for each in pushed if each.value is not None)
            shared = [f"{each.audience} (as {each.item})" for each in reason.shared[:2]]
            shown += [
                f"{number:3}. {reason.item}  {reason.score:8.3f}  Q{reason.popularity_group}  {reason.title[:70]}",
                *([f"     pushed by: {pushes}"] if pushes else []),
                *([f"     same audience: {', '.join(shared)}"] if shared else []),
            ]
        diversity = "–" if self.diversity is None else f"{self.diversity:.3f}"
        measures = f"diversity {diversity}, novelty {self.novelty:.2f} bits, long tail {self.long_tail:.0%}"
        return [f"After {', '.join(self.session)} ({self.run}): {measures}.", *shown]


EXPLAIN = Verb("explain", ExplainRequest, ExplainResult, run="genair_engine.verbs.recommending.reasons:explain")
