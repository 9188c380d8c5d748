"""What `score` is asked and answers: the scorecard of what language models wrote."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from genair_engine.verbs.base import AsJob, Record, Request, Result, Verb, positional


class ScoreRequest(Request):
    """Measure what language models wrote: grounding, audiences, specificity, novelty, diversity, agreement with behaviour."""

    dataset: str = positional("data set")
    archetypes: list[str] | None = Field(None, description="archetype sets, or models; by default all of the data set")
    item: str | None = Field(None, description="show the scores of this item, too (source id)")
    common: bool = Field(False, description="means over the items that all of these sets have a text of, only")


class Summary(Record):
    """Mean with its 95 % interval over n values (behaviour: the AUC over n pairs); None where there is none."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


class SetScores(Record):
    """A set's scorecard. items: texts it holds; measured: those that the scores are of. measures: name → summary.

    item: the chosen item's scores by measure, None where it has none; {} without an item.
    """

    archetypes: str
    model: str
    prompt_version: str
    items: int
    measured: int
    scored_at: datetime
    measures: dict[str, Summary]
    item: dict[str, float | None]


class ScoreResult(Result):
    """sets: oldest first. measures are named and defined in `verbs.MEASURES`. notes: what to mind when comparing."""

    dataset: str
    item: str | None
    sets: list[SetScores]
    notes: list[str]

    def lines(self) -> list[str]:
        from genair_engine.archetypes.scorecard import MEASURES  # scipy, which a request alone does not need

        names = list(MEASURES)
        head = ["model (set)", "texts", *(MEASURES[name].title for name in names)]
        rows = []
        for scored in self.sets:
            rows.append(
                [
                    f"{scored.model} ({scored.archetypes})",
                    f"{scored.measured:,}",
                    *(_cell(scored.measures[name]) for name in names),
                ]
            )
            if scored.item:
                rows.append([f"  item {self.item}", "", *(_number(scored.item.get(name)) for name in names)])
        widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
        ]
        return [*table, "Means with their 95 % intervals.", *self.notes]


def _cell(summary: Summary) -> str:
    if summary.low is None or summary.high is None:
        return _number(summary.mean)
    return f"{_number(summary.mean)} ({summary.low:.3f}–{summary.high:.3f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


SCORE = Verb(
    "score",
    ScoreRequest,
    ScoreResult,
    run="genair_engine.verbs.texts.score:score",
    role="write",
    job=AsJob(
        lambda request: (
            f"Score the archetypes of {request.dataset}"
            + (f" by {', '.join(request.archetypes)}" if request.archetypes else "")
        ),
        check="genair_engine.verbs.datasets.imports:check_dataset",
    ),
)
