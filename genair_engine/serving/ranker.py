"""Top-K items for sessions that anyone builds: no user table, no training user, only items in order.

A score is the dot product of a session's last state and an item's vector; the item table is computed once. Scores of the
whole catalogue exist for one block of sessions at a time, never for sessions × items at once. Where an approximate index is
at hand (`serving.index`), it proposes candidates and their scores are computed exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError, NonFiniteError, NotFoundError
from genair_engine.evaluation.protocol import LEAST_BLOCK_USERS, MAX_BLOCK_SCORES, top_items
from genair_engine.methods.recommender import SequenceRecommender, TableScorer
from genair_engine.serving.index import ApproximateIndex
from genair_engine.types import ItemArray

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

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
    """A trained model on the CPU, made ready to rank its catalogue; safe to share between threads, as it only reads.

    item_ids, titles: [n_items] source ids and titles; entry k belongs to item index k + 1. index: proposes candidates where
    nothing but the session's own items is left out. name: of the catalogue, for messages. Raises NonFiniteError for a model
    whose item vectors are not finite.
    """

    def __init__(
        self,
        model: SequenceRecommender,
        item_ids: Sequence[str],
        titles: Sequence[str],
        index: ApproximateIndex | None = None,
        name: str = "the catalogue",
    ) -> None:
        self.n_items = model.n_items
        self.name = name
        self.item_ids, self.titles = list(item_ids), list(titles)
        self.index = index
        self._position_of = {item: position for position, item in enumerate(self.item_ids, start=1)}
        self.scorer = TableScorer(model)
        # numpy's product of one state and all items takes less than half the time of torch's on AMD's processors.
        self._vectors = self.scorer.table.numpy()
        if not np.isfinite(self._vectors.sum()):
            raise NonFiniteError("The model's item vectors are not finite: its training has diverged. Train it again.")

    @property
    def model(self) -> SequenceRecommender:
        return self.scorer.model

    @property
    def table(self) -> Tensor:
        """[n_items + 1, d] float32 item vectors; row 0 is padding."""
        return self.scorer.table

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
        found, scores = self.top(sessions, k, not include_seen, among)
        return [
            [
                Recommendation(self.item_ids[item - 1], item, self.titles[item - 1], score)
                for item, score in zip(row, values, strict=True)
                if item
            ]
            for row, values in zip(found.tolist(), scores.tolist(), strict=True)
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
    ) -> tuple[ItemArray, FloatArray]:
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
    ) -> tuple[ItemArray, FloatArray]:
        histories = self._histories(sessions)
        seen = histories if exclude_seen else Sequences.from_lists([[]] * len(sessions))
        index = self.index if self.index is not None and self.index.serves(k) and among is None else None
        block = BLOCK_SESSIONS if index else max(LEAST_BLOCK_USERS, MAX_BLOCK_SCORES // (self.n_items + 1))
        items = np.empty((len(sessions), k), dtype=np.int32)
        scores = np.empty((len(sessions), k), dtype=np.float32)
        for rows in _blocks(len(sessions), min(block, BLOCK_SESSIONS)):
            states, own = self.scorer.states(histories, rows).numpy(), seen.take(rows)
            items[rows], scores[rows] = (
                self._exact(states, own, k, among) if index is None else self._approximate(index, states, own, k)
            )
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
        return [1 + int((competes & one).sum()) for one in ahead]

    @torch.inference_mode()
    def scores(self, sessions: Sequence[Sequence[int]], items: Sequence[int] | None = None) -> FloatArray:
        """[b, m] scores of `items` (indices; by default all, so that column j is item j + 1) after each session.

        Only the asked scores are computed: variants of a session (one item left out each) against ten results cost the
        states of the variants and nothing of the catalogue's size. Raises InputError as `top`.
        """
        vectors = self._vectors[1:] if items is None else self._vectors[self._known(items)]
        return self.states(sessions).numpy() @ vectors.T

    @torch.inference_mode()
    def states(self, sessions: Sequence[Sequence[int]]) -> Tensor:
        """[b, d] the states that predict what follows each session. Raises InputError as `top`."""
        histories = self._histories(sessions)
        with _threads_for(len(sessions)):
            return torch.cat([self.scorer.states(histories, rows) for rows in _blocks(len(histories), BLOCK_SESSIONS)])

    def _exact(self, states: FloatArray, barred: Sequences, k: int, among: BoolArray | None) -> tuple[ItemArray, FloatArray]:
        """`top` of states [b, d] over the whole catalogue. barred: each row's items that do not compete."""
        found = states @ self._vectors.T
        found[:, 0] = -np.inf
        if among is not None:
            found[:, ~among] = -np.inf
        found[barred.users, barred.items] = -np.inf
        items = top_items(torch.from_numpy(found), k)
        return items, np.take_along_axis(found, items, axis=1)

    def _approximate(
        self, index: ApproximateIndex, states: FloatArray, barred: Sequences, k: int
    ) -> tuple[ItemArray, FloatArray]:
        """`top` of states [b, d] among the index's candidates, whose scores are exact."""
        candidates = index.candidates(states, k, int(barred.lengths.max(initial=0)))  # [b, m]
        found = np.einsum("bmd,bd->bm", self._vectors[candidates], states)
        stride = self.n_items + 1
        own = np.isin(candidates + stride * np.arange(len(candidates))[:, None], barred.items + stride * barred.users)
        found[own | (candidates == 0)] = -np.inf
        order = np.lexsort((candidates, -found), axis=1)[:, :k]
        scores = np.take_along_axis(found, order, axis=1)
        items = np.where(np.isneginf(scores), 0, np.take_along_axis(candidates, order, axis=1)).astype(np.int32)
        few = np.flatnonzero((items == 0).any(axis=1))  # the clusters that were visited did not hold enough
        if len(few):
            items[few], scores[few] = self._exact(states[few], barred.take(few), k, None)
        return items, scores

    def _histories(self, sessions: Sequence[Sequence[int]]) -> Sequences:
        if not sessions:
            raise InputError("There is no session: give at least one.")
        if any(len(session) == 0 for session in sessions):
            raise InputError("The session is empty: give at least one item.")
        histories = Sequences.from_lists(sessions)
        self._known(histories.items)
        return histories

    def _known(self, items: Sequence[int] | ItemArray) -> npt.NDArray[np.int64]:
        found = np.asarray(items, dtype=np.int64)
        unknown = found[(found < 1) | (found > self.n_items)]
        if len(unknown):
            raise InputError(f"Item index {unknown[0]} does not exist: the model knows 1…{self.n_items}.")
        return found


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


def _blocks(n: int, size: int) -> list[npt.NDArray[np.int64]]:
    return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]
