"""What `audience` is asked and answers: items for an audience in somebody's words."""

from __future__ import annotations

from pydantic import Field, model_validator

from genair_engine.verbs.base import Record, Result, Verb, positional
from genair_engine.verbs.recommending.filters import FilteredRequest


class AudienceRequest(FilteredRequest):
    """Find items by the audience that their archetypes are about."""

    dataset: str = positional("data set")
    text: str = Field(description="the audience, in words")
    representation: str | None = Field(None, description="whose space to search; by default the newest with archetypes")
    run: str | None = Field(None, description="a trained run: steer its recommendations for a session (see items, weight)")
    items: list[str] = Field([], description="the session to steer: item ids, oldest first, separated by commas")
    weight: float = Field(0.5, ge=0, le=1, description="share that the audience has in a steered ranking: 0 none, 1 all")
    k: int = Field(10, ge=1, le=1000, description="how many items", json_schema_extra={"short": "-k"})
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")

    @model_validator(mode="after")
    def _steered_whole(self) -> AudienceRequest:
        if (self.run is None) != (not self.items):
            raise ValueError("steering needs both a run and the items of a session")
        return self


class AudienceItem(Record):
    """similarity: cosine with the description, in −1 … 1. audience: the entry of its archetype with most of its words.

    score: what the list is ordered by: the similarity, or the blend.
    """

    item: str
    position: int
    title: str
    similarity: float
    score: float
    audience: str


class AudienceResult(Result):
    """Items, best first. space: in words, where descriptions and archetypes were compared. weight: None without a session."""

    dataset: str
    text: str
    representation: str
    space: str
    run: str | None
    session: list[str]
    weight: float | None
    items: list[AudienceItem]

    def lines(self) -> list[str]:
        width = max((len(item.item) for item in self.items), default=0)
        blend = f", blended with {', '.join(self.session)} ({self.run}, weight {self.weight})" if self.run else ""
        return [
            f"For {self.text!r}{blend}:",
            *(
                f"{rank:3}. {item.item:{width}}  {item.similarity:6.3f}  {item.title[:50]}  "
                f"[{' '.join(item.audience.split())[:60]}]"
                for rank, item in enumerate(self.items, start=1)
            ),
            f"Compared in: {self.space}.",
        ]


AUDIENCE = Verb("audience", AudienceRequest, AudienceResult, run="genair_engine.verbs.recommending.audience:audience")
