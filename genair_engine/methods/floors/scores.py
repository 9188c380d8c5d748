"""The recommenders that floors build; apart from the floors' files, which load no torch."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from genair_engine.catalog.sessions import Sessions
from genair_engine.interfaces import Recommender
from genair_engine.methods.floors.neighbours import recency_weights
from genair_engine.types import Float32Array, IntArray


class Counts:
    """Every item's count, whoever asks. counts: [n_items + 1]."""

    reads = None

    def __init__(self, counts: IntArray) -> None:
        self.counts = torch.from_numpy(counts).float()

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32, or [B, m] of `items`."""
        return (self.counts if items is None else self.counts[items]).repeat(len(sessions), 1)


class Neighbours:
    """Σ over the history of decay^age · similarity(item, candidate).

    similarity: sparse [n_items + 1, n_items + 1], row: item of the history, column: candidate. decay: in (0, 1]; 1 weighs
    the whole history alike.
    """

    reads = None

    def __init__(self, similarity: sparse.csr_array, decay: float) -> None:
        self.similarity = similarity
        self.decay = decay

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32, or [B, m] of `items`."""
        weights = recency_weights(sessions.histories, self.similarity.shape[0], self.decay)
        similarity = self.similarity if items is None else self.similarity[:, items.numpy()]
        return torch.from_numpy((weights @ similarity).toarray())


class Content:
    """Cosine between an item's vector and the recency-weighted mean of the history's unit vectors, up to the mean's length.

    vectors: [n_items, D] of the items; one whose vector is zero scores 0 everywhere.
    """

    reads = None

    def __init__(self, vectors: Float32Array, decay: float) -> None:
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / np.where(length > 0, length, 1.0)
        self.unit = np.vstack([np.zeros_like(unit[:1]), unit]).astype(np.float32)
        self.decay = decay

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32 in [−1, 1], or [B, m] of `items`."""
        weights = recency_weights(sessions.histories, len(self.unit), self.decay)
        return torch.from_numpy((weights @ self.unit) @ (self.unit if items is None else self.unit[items.numpy()]).T)


class WeightedSum:
    """One score plus `weight` times another, neither of them rescaled."""

    reads = None

    def __init__(self, base: Recommender, added: Recommender, weight: float) -> None:
        self.base, self.added, self.weight = base, added, weight

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32, or [B, m] of `items`."""
        return self.base.score(sessions, items).add_(self.added.score(sessions, items), alpha=self.weight)
