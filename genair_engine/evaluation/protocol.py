"""The two evaluation protocols, in one pass over the users: full ranking, and 100 fixed negatives.

Corrections to the public code (methods.md section 1): negatives are drawn once per user and shared by all methods and
epochs; ties count half, so that a constant scorer ranks in the middle; NaN scores stop the evaluation; users without
held-out items are not evaluated. Scores exist for one block of users at a time, never for users × items at once.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from genair_engine.catalog.dataset import Dataset, IntArray, ItemArray, Sequences
from genair_engine.catalog.negatives import COUNT, SEED
from genair_engine.errors import InputError, NonFiniteError

Part = Literal["valid", "test"]
MAX_BLOCK_SCORES = 4_000_000
"""Scores held at once (16 MB of float32): bounds memory whatever the catalogue's size, and stays near the cache."""


class Protocol(BaseModel):
    """How ranks are obtained; stored beside every number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Literal["leave-two-out"] = "leave-two-out"
    ties: Literal["half"] = Field("half", description="a tie with the target counts as half a rank")
    exclude_seen: bool = Field(True, description="items of the user's history do not compete (the target always does)")
    negatives: int = Field(COUNT, ge=1, description="negatives a user in the sampled protocol, drawn once, never interacted")
    negatives_seed: int = Field(SEED, description="seed of these negatives")


class Scorer(typing.Protocol):
    """Anything that scores the catalogue as the next item of a history."""

    def score(self, histories: Sequences, users: IntArray) -> Tensor:
        """[len(users), n_items + 1] float scores for rows `users` of `histories`; column 0 is ignored."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """Rank of every evaluated user's target, from 0; [n_eval] float64 each, half ranks where scores tie."""

    full: npt.NDArray[np.float64]
    sampled: npt.NDArray[np.float64]


def evaluate(scorer: Scorer, dataset: Dataset, negatives: ItemArray, part: Part, protocol: Protocol) -> Ranks:
    """Ranks of the held-out items of `part` under both protocols.

    The history is the training part for "valid", and training part plus validation item for "test".
    negatives: [n_eval, m] items, 0 where a user has fewer candidates. Raises NonFiniteError that names the first user
    whose scores are NaN or infinite.
    """
    split = dataset.split
    if len(split.users) == 0:
        raise InputError(f"Dataset {dataset.name!r} has no user with three or more interactions: nothing to evaluate.")
    if len(negatives) != len(split.users):
        raise InputError(f"Negatives are stored for {len(negatives)} users, the split evaluates {len(split.users)}.")
    holdout = {"valid": 2, "test": 1}[part]
    targets = split.valid if part == "valid" else split.test
    drop = np.zeros(dataset.n_users, dtype=np.int64)
    drop[split.users] = holdout
    histories = dataset.sequences.without_last(drop)

    block = max(1, MAX_BLOCK_SCORES // (dataset.n_items + 1))
    full, sampled = np.empty(len(targets)), np.empty(len(targets))
    by_length = np.argsort(histories.lengths[split.users], kind="stable")  # blocks of equal length need little padding
    for start in range(0, len(targets), block):
        rows = by_length[start : start + block]
        users = split.users[rows]
        scores = scorer.score(histories, users)
        _require_finite(scores, dataset, users)
        seen = histories.padded(users, max_len=int(histories.lengths[users].max())) if protocol.exclude_seen else None
        full[rows] = full_ranks(scores, targets[rows], seen)
        sampled[rows] = sampled_ranks(scores, targets[rows], negatives[rows])
    return Ranks(full, sampled)


def full_ranks(scores: Tensor, targets: ItemArray, seen: IntArray | None = None) -> npt.NDArray[np.float64]:
    """[B] rank of the target among all items. `scores` [B, n_items + 1]; `seen` [B, T] items that do not compete."""
    target = torch.from_numpy(targets.astype(np.int64)).to(scores.device).unsqueeze(1)
    wanted = scores.gather(1, target)
    competing = scores.clone()
    competing[:, 0] = -torch.inf
    if seen is not None:
        competing.scatter_(1, torch.from_numpy(seen).to(scores.device), -torch.inf)
    competing.scatter_(1, target, -torch.inf)  # the target does not compete with itself
    return _rank(wanted, competing)


def sampled_ranks(scores: Tensor, targets: ItemArray, negatives: ItemArray) -> npt.NDArray[np.float64]:
    """[B] rank of the target among its negatives ([B, m]; 0 marks an absent one)."""
    columns = torch.from_numpy(np.column_stack([targets, negatives]).astype(np.int64)).to(scores.device)
    chosen = scores.gather(1, columns)
    return _rank(chosen[:, :1], chosen[:, 1:].masked_fill(columns[:, 1:] == 0, -torch.inf))


def _rank(wanted: Tensor, competing: Tensor) -> npt.NDArray[np.float64]:
    above = (competing > wanted).sum(dim=1)
    level = (competing == wanted).sum(dim=1)
    return (above + 0.5 * level).double().cpu().numpy()


def _require_finite(scores: Tensor, dataset: Dataset, users: IntArray) -> None:
    if not torch.isfinite(scores.sum()):  # one reduction on the good path; look closer only when it is not finite
        bad = ~torch.isfinite(scores[:, 1:]).all(dim=1)
        if bad.any():
            user = dataset.user_ids[int(users[int(bad.nonzero()[0])])]
            raise NonFiniteError(f"The model's scores for user {user!r} are not finite: its training has diverged.")
