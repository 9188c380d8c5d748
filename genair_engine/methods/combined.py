"""Recommenders that are made of two others; apart from their methods' files, which load no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from genair_engine.catalog.sessions import Sessions
from genair_engine.interfaces import Recommender


class Combined(ABC):
    """Two recommenders of one catalogue. A score needs both scores of the whole catalogue, also where few items are asked."""

    def __init__(self, first: Recommender, second: Recommender) -> None:
        self.first, self.second = first, second

    @property
    def reads(self) -> int | None:
        """The longer of both."""
        if self.first.reads is None or self.second.reads is None:
            return None
        return max(self.first.reads, self.second.reads)

    @torch.inference_mode()
    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32, or [B, m] of `items`."""
        first = self.first.score(sessions)
        combined = self.combine(sessions, first, self.second.score(sessions).to(first.device))
        return combined if items is None else combined[:, items.to(combined.device)]

    @abstractmethod
    def combine(self, sessions: Sessions, first: Tensor, second: Tensor) -> Tensor:
        """[B, n_items + 1] from both scores, [B, n_items + 1] each, which may be overwritten."""


class MixedScores(Combined):
    """(1 − weight) · n(first) + weight · n(second)."""

    def __init__(self, first: Recommender, second: Recommender, weight: float, normalisation: Literal["z", "minmax"]) -> None:
        super().__init__(first, second)
        self.weight, self.normalise = weight, standardised if normalisation == "z" else from_0_to_1

    def combine(self, sessions: Sessions, first: Tensor, second: Tensor) -> Tensor:  # noqa: ARG002
        return self.normalise(first).mul_(1 - self.weight).add_(self.normalise(second), alpha=self.weight)


class RerankedScores(Combined):
    """The first's `best` items in the order of the second, and behind them all others in the order of the first.

    Items of the session are candidates where they stand before the last candidate, and do not count: lists leave them out, or
    do not. So is what ties with the last candidate. A candidate's score is its distance from the worst of them by the second,
    any other's its (negative) distance from the last candidate by the first.
    """

    def __init__(self, candidates: Recommender, ranker: Recommender, best: int) -> None:
        super().__init__(candidates, ranker)
        self.best = best

    def combine(self, sessions: Sessions, first: Tensor, second: Tensor) -> Tensor:
        first[:, 0] = -torch.inf
        unseen = first.scatter(1, torch.from_numpy(sessions.padded()).to(first.device), -torch.inf)
        last = unseen.topk(min(self.best, unseen.shape[1] - 1), dim=1).values[:, -1:]
        last = last.clamp(min=torch.finfo(first.dtype).min)  # fewer items than `best` are left: all of them are candidates
        chosen = first >= last
        worst = second.masked_fill(~chosen, torch.inf).amin(dim=1, keepdim=True)
        scores = torch.where(chosen, second - worst, first - last)
        scores[:, 0] = 0.0
        return scores


def standardised(scores: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the items 1…n of each row ([B, n + 1], overwritten); 0 where all are level."""
    items = scores[:, 1:]
    spread = items.std(dim=1, correction=0, keepdim=True)
    return scores.sub_(items.mean(dim=1, keepdim=True)).div_(torch.where(spread > 0, spread, torch.inf))


def from_0_to_1(scores: Tensor) -> Tensor:
    """From 0 to 1 over the items 1…n of each row ([B, n + 1], overwritten); 0 where all are level."""
    least, most = scores[:, 1:].aminmax(dim=1, keepdim=True)
    return scores.sub_(least).div_(torch.where(most > least, most - least, torch.inf))
