"""The verb `recommend`: the next items for any list of items, whoever took them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import runs as rows
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.requests import BatchRequest, BatchResult, RecommendRequest, RecommendResult
from genair_engine.workspace import Workspace

if TYPE_CHECKING:
    from genair_engine.verbs.recommending.recommender import Recommender


def recommend(workspace: Workspace, request: RecommendRequest, progress: Progress = silent) -> RecommendResult:  # noqa: ARG001
    """Top-K items. Raises NotFoundError for an unknown run or item, InputError for a run that has not finished."""
    return load_recommender(workspace, request.run).answer(request)


def recommend_batch(workspace: Workspace, request: BatchRequest, progress: Progress = silent) -> BatchResult:  # noqa: ARG001
    """Top-K items of many sessions. Raises as `recommend`, with the number of the first session that is wrong."""
    return load_recommender(workspace, request.run).answer_batch(request)


def load_recommender(workspace: Workspace, run: str) -> Recommender:
    """A finished run made ready to rank, with its data set. Raises NotFoundError, InputError, WorkspaceError."""
    from genair_engine.verbs.recommending.recommender import Recommender

    return Recommender.load(run, workspace)


def positions_of(dataset: Dataset, item_ids: list[str]) -> list[int]:
    """Item indices 1…n of source ids. Raises NotFoundError for the first that does not exist."""
    if not item_ids:
        raise InputError("The session is empty: give at least one item id.")
    positions = dataset.position_of.reindex(item_ids)
    if positions.isna().any():
        unknown = item_ids[int(positions.isna().to_numpy().argmax())]
        raise NotFoundError(f"item in {dataset.name!r}", unknown, hint="Look items up on the Items page.")
    return [int(position) for position in positions]


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
