"""The verb `recommend`: the next items for any list of items, whoever took them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import runs as rows
from genair_engine.verbs.base import Progress, Record, Result, positional, silent
from genair_engine.verbs.recommending.filters import FilteredRequest
from genair_engine.workspace import Workspace

if TYPE_CHECKING:
    from genair_engine.verbs.recommending.recommender import Recommender


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
        width = max((len(one.item) for one in self.items), default=0)
        table = [
            f"{rank:3}. {one.item:{width}}  {one.score:8.3f}  {one.title[:80]}" for rank, one in enumerate(self.items, start=1)
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


def recommend(workspace: Workspace, request: RecommendRequest, progress: Progress = silent) -> RecommendResult:  # noqa: ARG001
    """Top-K items. Raises NotFoundError for an unknown run or item, InputError for a run that has not finished."""
    return load_recommender(workspace, request.run).answer(request)


def load_recommender(workspace: Workspace, run: str) -> Recommender:
    """A finished run made ready to rank, with its data set. Raises NotFoundError, InputError, WorkspaceError."""
    from genair_engine.verbs.recommending.recommender import Recommender

    return Recommender.load(run, workspace)


def positions_of(dataset: Dataset, item_ids: list[str]) -> list[int]:
    """Item indices 1…n of source ids. Raises NotFoundError for the first that does not exist."""
    if not item_ids:
        raise InputError("The session is empty: give at least one item id.")
    found = dataset.position_of.reindex(item_ids)
    if found.isna().any():
        unknown = item_ids[int(found.isna().to_numpy().argmax())]
        raise NotFoundError(f"item in {dataset.name!r}", unknown, hint="Look items up on the Items page.")
    return [int(position) for position in found]


class Recommenders:
    """Runs that are ready to rank: what an app or a server keeps between requests. Safe to share between threads.

    keep: how many at once; the one that was not used for longest is let go. Every call looks whether the run still exists: a
    data set that is deleted takes its runs with it.
    """

    def __init__(self, workspace: Workspace, keep: int = 4) -> None:
        self.workspace = workspace
        self._keep = keep
        self._lock = Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()

    def of(self, run: str) -> Recommender:
        """The recommender of a finished run; loaded once, however many ask. Raises as `recommend`."""
        try:
            with self.workspace.reading() as session:
                rows.find_run(session, run)
        except NotFoundError:
            with self._lock:
                self._slots.pop(run, None)
            raise
        with self._lock:
            slot = self._slots.setdefault(run, _Slot())
            self._slots.move_to_end(run)
            while len(self._slots) > self._keep:
                self._slots.popitem(last=False)
        with slot.loading:
            if slot.ready is None:
                slot.ready = load_recommender(self.workspace, run)
            return slot.ready


@dataclass
class _Slot:
    """A place for a recommender, and who loads it."""

    loading: Lock = field(default_factory=Lock)
    ready: Recommender | None = None
