"""The verb `recommend`: the next items for any list of items, whoever took them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError, NotFoundError
from genair_engine.verbs.base import Progress, Record, Request, Result, positional, silent
from genair_engine.verbs.runs import run_result
from genair_engine.workspace import Workspace

if TYPE_CHECKING:
    from genair_engine.serving.recommender import Recommender


class RecommendRequest(Request):
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
        width = max((len(one.item) for one in self.items), default=0)
        table = [
            f"{rank:3}. {one.item:{width}}  {one.score:8.3f}  {one.title[:80]}" for rank, one in enumerate(self.items, start=1)
        ]
        departures = [f"  Not as in the paper: {'; '.join(self.deviations)}."] if self.deviations else []
        return [f"After {', '.join(self.session)} ({self.run}):", *table, *departures]


def recommend(workspace: Workspace, request: RecommendRequest, progress: Progress = silent) -> RecommendResult:  # noqa: ARG001
    """Top-K items. Raises NotFoundError for an unknown run or item, InputError for a run that has not finished."""
    dataset, recommender = load_recommender(workspace, request.run)
    return rank(dataset, recommender, request, run_result(workspace, request.run).deviations)


def load_recommender(workspace: Workspace, run: str) -> tuple[Dataset, Recommender]:
    """A finished run made ready to rank, with its data set: what a page keeps between clicks."""
    from genair_engine.serving.recommender import Recommender
    from genair_engine.verbs.trained import load_model

    _, owner, model = load_model(workspace, run)
    return workspace.load_dataset(owner.name), Recommender(model)


def rank(
    dataset: Dataset, recommender: Recommender, request: RecommendRequest, deviations: Sequence[str] = ()
) -> RecommendResult:
    """`recommend` with a recommender at hand, and the deviations of its run, for whoever shows them."""
    session = positions_of(dataset, request.items)
    best = recommender.top_k(session, request.k, exclude_seen=not request.include_seen)
    chosen = dataset.items.iloc[[one.item - 1 for one in best]]
    return RecommendResult(
        run=request.run,
        dataset=dataset.name,
        session=request.items,
        items=[
            RecommendedItem(item=item_id, position=one.item, title=title, score=one.score)
            for one, item_id, title in zip(best, chosen["item_id"], chosen["title"], strict=True)
        ],
        deviations=list(deviations),
    )


def positions_of(dataset: Dataset, item_ids: list[str]) -> list[int]:
    """Item indices 1…n of source ids. Raises NotFoundError for the first that does not exist."""
    if not item_ids:
        raise InputError("The session is empty: give at least one item id.")
    found = dataset.position_of.reindex(item_ids)
    if found.isna().any():
        unknown = item_ids[int(found.isna().to_numpy().argmax())]
        raise NotFoundError(f"item in {dataset.name!r}", unknown, hint="Look items up on the Items page.")
    return [int(position) for position in found]
