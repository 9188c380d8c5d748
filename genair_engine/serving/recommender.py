"""Top-K items for a session that anyone builds: no user table, no training user, only items in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genair_engine.catalog.dataset import Sequences
from genair_engine.errors import InputError
from genair_engine.methods.recommender import SequenceRecommender, TableScorer


@dataclass(frozen=True)
class Recommendation:
    """An item index (1…n_items) and its score: the dot product of session state and item vector, higher is better."""

    item: int
    score: float


class Recommender:
    """Holds a model with its item table computed once; safe to share between threads, as it only reads."""

    def __init__(self, model: SequenceRecommender) -> None:
        self.n_items = model.n_items
        self._scorer = TableScorer(model)

    def top_k(self, session: Sequence[int], k: int = 10, exclude_seen: bool = True) -> list[Recommendation]:
        """The k best next items, best first; ties go to the smaller index.

        session: item indices 1…n_items, oldest first; only the last items that the model can use are read, all are excluded.
        exclude_seen: leave the session's own items out. Raises InputError on an empty session, an unknown index or k < 1.
        """
        if not session:
            raise InputError("The session is empty: give at least one item.")
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}.")
        unknown = [item for item in session if not 1 <= item <= self.n_items]
        if unknown:
            raise InputError(f"Item index {unknown[0]} does not exist: the model knows 1…{self.n_items}.")
        scores = self._scorer.score(Sequences.from_lists([session]), np.array([0]))[0]
        candidates = torch.ones(self.n_items + 1, dtype=torch.bool)
        candidates[0] = False
        if exclude_seen:
            candidates[list(session)] = False
        items = candidates.nonzero().flatten()  # ascending: a stable sort keeps the smaller index first among ties
        found = scores.cpu()[items]
        best = torch.sort(found, descending=True, stable=True).indices[:k]
        return [Recommendation(int(items[index]), float(found[index])) for index in best]
