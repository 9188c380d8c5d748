"""What `recommend` is asked and answers, after a session or after many of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from genair_engine.verbs.base import Http, Record, Result, Verb, positional
from genair_engine.verbs.recommending.filters import FilteredRequest


class RecommendRequest(FilteredRequest):
    """Recommend the next items after a session."""

    run: str = positional("run")
    items: list[str] = Field(min_length=1, description="the session: item ids, oldest first, separated by commas")
    k: int = Field(10, ge=1, le=1000, description="how many items", json_schema_extra={"short": "-k"})
    include_seen: bool = Field(False, description="let items of the session be recommended again")


class RecommendedItem(Record):
    """position: the item's index in the catalogue (1…n); score: dot product, comparable within one result only."""

    item: str
    position: int
    title: str
    score: float


class RecommendResult(Result):
    """The best next items after a session, best first. deviations: where the run is not as in the paper (`RunResult`)."""

    run: str
    dataset: str
    session: list[str]
    items: list[RecommendedItem]
    deviations: list[str]

    def lines(self) -> list[str]:
        width = max((len(item.item) for item in self.items), default=0)
        table = [
            f"{rank:3}. {item.item:{width}}  {item.score:8.3f}  {item.title[:80]}"
            for rank, item in enumerate(self.items, start=1)
        ]
        departures = [f"  Not as in the paper: {'; '.join(self.deviations)}."] if self.deviations else []
        return [f"After {', '.join(self.session)} ({self.run}):", *table, *departures]


class BatchRequest(FilteredRequest):
    """Recommend the next items after each of many sessions."""

    run: str = Field(description="run")
    sessions: list[Annotated[list[str], Field(min_length=1)]] = Field(
        min_length=1, max_length=1000, description="sessions: item ids, oldest first"
    )
    k: int = Field(10, ge=1, le=100, description="how many items a session")
    include_seen: bool = Field(False, description="let items of a session be recommended again after it")

    def requests(self) -> list[RecommendRequest]:
        """One request a session."""
        return [
            RecommendRequest(run=self.run, items=session, k=self.k, include_seen=self.include_seen, **self.filters)
            for session in self.sessions
        ]


class BatchResult(Record):
    """One result a session, in their order."""

    results: list[RecommendResult]


RECOMMEND = Verb(
    "recommend",
    RecommendRequest,
    RecommendResult,
    run="genair_engine.verbs.recommending.recommend:recommend",
    http=Http("POST", "/api/recommend"),
)
RECOMMEND_BATCH = Verb(
    "recommend-batch",
    BatchRequest,
    BatchResult,
    run="genair_engine.verbs.recommending.recommend:recommend_batch",
    http=Http("POST", "/api/recommend/batch"),
    terminal=False,
)
