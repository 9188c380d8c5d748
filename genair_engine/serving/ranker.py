"""Top-K items for sessions that anyone builds: no user table, no training user, only items in order.

Any recommender ranks. Scores of the whole catalogue exist for one block of sessions at a time, never for sessions × items at
once. Where the recommender's score is a dot product, its item table is computed once, and an approximate index that is at
hand (`serving.index`) proposes candidates whose scores are computed exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError, NonFiniteError, NotFoundError
from genair_engine.evaluation.protocol import LEAST_BLOCK_SESSIONS, MAX_BLOCK_SCORES, top_items
from genair_engine.interfaces import DotProduct, Recommender
from genair_engine.serving.index import ApproximateIndex
from genair_engine.types import BoolArray, Float32Array, IntArray, ItemArray

FEW_SESSIONS = 16
"""So many sessions are read by one thread: numpy's threads and torch's spin while they wait, and take the processors from each
other (60,000 items, two cores: 8 ms a session with both, 2.4 ms so)."""
BLOCK_SESSIONS = 256
"""Sessions whose states are computed at once: bounds the memory of the backbone's layers."""


@dataclass(frozen=True)
class Recommendation:
    """An item and its score: higher is better, comparable within one session only. position: the item's index, 1…n_items."""

    item: str
    position: int
    title: str
    score: float


class Ranker:
    """A recommender on the CPU, made ready to rank its catalogue; safe to share between threads, as it only reads.

    item_ids, titles: [n_items] source ids and titles; entry k belongs to item index k + 1. index: proposes candidates where
    nothing but the session's own items is left out. name: of the catalogue, for messages. Raises NonFiniteError for a
    recommender whose item vectors are not finite.
    """

    def __init__(
        self,
        recommender: Recommender,
        item_ids: Sequence[str],
        titles: Sequence[str],
        index: ApproximateIndex | None = None,
        name: str = "the catalogue",
    ) -> None:
        self.recommender = recommender
        self.dot_product = recommender if isinstance(recommender, DotProduct) else None
        self.name = name
        self.item_ids, self.titles = list(item_ids), list(titles)
        self.n_items = len(self.item_ids)
        self.index = index
        self._position_of = {item: position for position, item in enumerate(self.item_ids, start=1)}
        if self.dot_product is not None:
            # numpy's product of one state and all items takes less than half the time of torch's on AMD's processors.
            self._vectors = self.dot_product.table().numpy()
            if not np.isfinite(self._vectors.sum()):
                raise NonFiniteError("The model's item vectors are not finite: its training has diverged. Train it again.")

    def require_dot_product(self) -> DotProduct:
        """The recommender, for what needs item vectors. Raises InputError where it has none."""
        if self.dot_product is None:
            raise InputError("This recommender has no item vectors: its score is not a dot product of a session and an item.")
        return self.dot_product

    def recommend(
        self, items: Sequence[str], k: int = 10, include_seen: bool = False, among: BoolArray | None = None
    ) -> list[Recommendation]:
        """The k best next items after a session of source ids, oldest first; as many as compete where that is fewer.

        include_seen: let the session's own items compete. among: see `top`. Raises NotFoundError for an unknown id,
        InputError on an empty session or k < 1.
        """
        return self.recommend_many([items], k, include_seen, among)[0]

    def recommend_many(
        self, sessions: Sequence[Sequence[str]], k: int = 10, include_seen: bool = False, among: BoolArray | None = None
    ) -> list[list[Recommendation]]:
        """`recommend` for many sessions in one pass over the catalogue."""
        return self.ranked([self.positions(items) for items in sessions], k, include_seen, among)

    def ranked(
        self, sessions: Sequence[Sequence[int]], k: int = 10, include_seen: bool = False, among: BoolArray | None = None
    ) -> list[list[Recommendation]]:
        """`top`, in words: with ids and titles, and without the places that stayed empty."""
        lists, scores = self.top(sessions, k, not include_seen, among)
        return [
            [
                Recommendation(self.item_ids[item - 1], item, self.titles[item - 1], score)
                for item, score in zip(row, values, strict=True)
                if item
            ]
            for row, values in zip(lists.tolist(), scores.tolist(), strict=True)
        ]

    def positions(self, items: Sequence[str]) -> list[int]:
        """Item indices 1…n_items of source ids. Raises NotFoundError for the first that does not exist."""
        for item in items:
            if item not in self._position_of:
                raise NotFoundError(f"item in {self.name}", item, hint="Ids are the source's own: the item search finds them.")
        return [self._position_of[item] for item in items]

    @torch.inference_mode()
    def top(
        self, sessions: Sequence[Sequence[int]], k: int = 10, exclude_seen: bool = True, among: BoolArray | None = None
    ) -> tuple[ItemArray, Float32Array]:
        """([b, k'] item indices, [b, k'] scores) of the best next items, best first, ties to the smaller index.

        sessions: item indices 1…n_items, oldest first; only the last items that the model can use are read, all are left
        out (exclude_seen). among: [n_items + 1] bool, the items that may be recommended; by default all. k' = min(k, n_items);
        where fewer items compete, the rest of a row is item 0 with score −inf. Raises InputError on an empty session, an
        unknown index or k < 1.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}.")
        if among is not None and among.shape != (self.n_items + 1,):
            raise InputError(f"`among` must have {self.n_items + 1} entries, one an item after one for padding.")
        with _threads_for(len(sessions)):
            return self._top(sessions, min(k, self.n_items), exclude_seen, among)

    def _top(
        self, sessions: Sequence[Sequence[int]], k: int, exclude_seen: bool, among: BoolArray | None
    ) -> tuple[ItemArray, Float32Array]:
        asked = self._sessions(sessions)
        barred = asked.histories if exclude_seen else Sequences.from_lists([[]] * len(asked))
        index = self.index if self.index is not None and self.index.serves(k) and among is None else None
        block = BLOCK_SESSIONS if index else max(LEAST_BLOCK_SESSIONS, MAX_BLOCK_SCORES // (self.n_items + 1))
        items = np.empty((len(asked), k), dtype=np.int32)
        scores = np.empty((len(asked), k), dtype=np.float32)
        for rows in _blocks(len(asked), min(block, BLOCK_SESSIONS)):
            of_block, own = asked.take(rows), barred.take(rows)
            if index is None:
                items[rows], scores[rows] = _best(self._scores(of_block), own, k, among)
            else:
                items[rows], scores[rows] = self._approximate(index, of_block, own, k)
        return items, scores

    def ranks_of(
        self, items: Sequence[str], wanted: Sequence[str], include_seen: bool = False, among: BoolArray | None = None
    ) -> list[int]:
        """The place of each wanted item (1 is the best) after a session of source ids, among all that compete.

        As in a list of the whole catalogue; ties go to the smaller index. A wanted item has a place whatever is left out, as a
        held-out item has in evaluation. Raises as `recommend`.
        """
        session, places = self.positions(items), np.array(self.positions(wanted), dtype=np.int64)
        scores = self.scores([session])[0]
        competes = np.ones(self.n_items, dtype=bool) if among is None else among[1:].copy()
        if not include_seen:
            competes[np.array(session) - 1] = False
        index = np.arange(1, self.n_items + 1)
        own = scores[places - 1]
        ahead = ((scores > score) | ((scores == score) & (index < place)) for place, score in zip(places, own, strict=True))
        return [1 + int((competes & better).sum()) for better in ahead]

    @torch.inference_mode()
    def scores(self, sessions: Sequence[Sequence[int]], items: Sequence[int] | None = None) -> Float32Array:
        """[b, m] scores of `items` (indices; by default all, so that column j is item j + 1) after each session.

        Only the asked scores are computed: variants of a session (one item left out each) against ten results cost the
        states of the variants and nothing of the catalogue's size. Raises InputError as `top`.
        """
        asked, wanted = self._sessions(sessions), None if items is None else self._known(items)
        with _threads_for(len(asked)):
            blocks = [self._scores(asked.take(rows), wanted) for rows in _blocks(len(asked), BLOCK_SESSIONS)]
        return np.concatenate(blocks)[:, 1 if wanted is None else 0 :]

    @torch.inference_mode()
    def states(self, sessions: Sequence[Sequence[int]]) -> Tensor:
        """[b, d] the states that predict what follows each session. Raises InputError as `top`, and without a dot product."""
        asked, dot_product = self._sessions(sessions), self.require_dot_product()
        with _threads_for(len(asked)):
            return torch.cat([dot_product.states(asked.take(rows)) for rows in _blocks(len(asked), BLOCK_SESSIONS)])

    def _scores(self, sessions: Sessions, items: IntArray | None = None) -> Float32Array:
        """[b, n_items + 1] scores of the catalogue, or [b, m] of `items`."""
        if self.dot_product is not None:
            vectors = self._vectors if items is None else self._vectors[items]
            product: Float32Array = self.dot_product.states(sessions).numpy() @ vectors.T
            return product
        return self.recommender.score(sessions, None if items is None else torch.from_numpy(items)).numpy()

    def _approximate(
        self, index: ApproximateIndex, sessions: Sessions, barred: Sequences, k: int
    ) -> tuple[ItemArray, Float32Array]:
        """`top` of sessions among the index's candidates, whose scores are exact."""
        states: Float32Array = self.require_dot_product().states(sessions).numpy()
        candidates = index.candidates(states, k, int(barred.lengths.max(initial=0)))  # [b, m]
        exact = np.einsum("bmd,bd->bm", self._vectors[candidates], states)
        stride = self.n_items + 1
        own = np.isin(candidates + stride * np.arange(len(candidates))[:, None], barred.items + stride * barred.users)
        exact[own | (candidates == 0)] = -np.inf
        order = np.lexsort((candidates, -exact), axis=1)[:, :k]
        scores = np.take_along_axis(exact, order, axis=1)
        items = np.where(np.isneginf(scores), 0, np.take_along_axis(candidates, order, axis=1)).astype(np.int32)
        few = np.flatnonzero((items == 0).any(axis=1))  # the clusters that were visited did not hold enough
        if len(few):
            items[few], scores[few] = _best(states[few] @ self._vectors.T, barred.take(few), k)
        return items, scores

    def _sessions(self, sessions: Sequence[Sequence[int]]) -> Sessions:
        if not sessions:
            raise InputError("There is no session: give at least one.")
        if any(len(session) == 0 for session in sessions):
            raise InputError("The session is empty: give at least one item.")
        asked = Sessions.from_lists(sessions)
        self._known(asked.histories.items)
        return asked

    def _known(self, items: Sequence[int] | ItemArray) -> IntArray:
        known = np.asarray(items, dtype=np.int64)
        unknown = known[(known < 1) | (known > self.n_items)]
        if len(unknown):
            raise InputError(f"Item index {unknown[0]} does not exist: the model knows 1…{self.n_items}.")
        return known


def _best(scores: Float32Array, barred: Sequences, k: int, among: BoolArray | None = None) -> tuple[ItemArray, Float32Array]:
    """`top` of scores ([b, n_items + 1], overwritten). barred: each row's items that do not compete."""
    scores[:, 0] = -np.inf
    if among is not None:
        scores[:, ~among] = -np.inf
    scores[barred.users, barred.items] = -np.inf
    items = top_items(torch.from_numpy(scores), k)
    return items, np.take_along_axis(scores, items, axis=1)


@contextmanager
def _threads_for(sessions: int) -> Iterator[None]:
    """One thread of torch's for few sessions, as many as before for others."""
    before = torch.get_num_threads()
    if sessions <= FEW_SESSIONS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _blocks(n: int, size: int) -> list[IntArray]:
    return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]
