"""The two evaluation protocols, in one pass over the users: full ranking, and 100 fixed negatives.

Corrections to the public code (methods.md section 1): negatives are drawn once per user and shared by all methods and
epochs; ties count half, so that a constant scorer ranks in the middle; NaN scores stop the evaluation; users without
held-out items are not evaluated. Scores exist for one block of users at a time, never for users × items at once, and a
block is worked on in place while it is near the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.negatives import COUNT, SEED
from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.interfaces import Recommender
from genair_engine.types import IntArray, ItemArray

Part = Literal["valid", "test"]
MAX_BLOCK_SCORES = 4_000_000
"""Scores held at once (16 MB of float32): stays near the cache …"""
LEAST_BLOCK_SESSIONS = 32
"""… but never fewer sessions than this, because every block reads all item vectors: 128 MB with a million items."""


class Protocol(BaseModel):
    """How ranks are obtained; stored beside every number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Literal["leave-two-out"] = "leave-two-out"
    ties: Literal["half"] = Field("half", description="a tie with the target counts as half a rank")
    exclude_seen: bool = Field(True, description="items of the user's history do not compete (the target always does)")
    negatives: int = Field(COUNT, ge=1, description="negatives a user in the sampled protocol, drawn once, never interacted")
    negatives_seed: int = Field(SEED, description="seed of these negatives")


@dataclass(frozen=True, eq=False)
class Ranks:
    """Rank of every evaluated user's target, from 0; [n_eval] float64, half ranks where scores tie.

    full: among the whole catalogue. sampled: among the user's negatives; None when none were given.
    lists: [n_eval, top] int32, each user's best items, best first and the smaller index first among ties; 0 where fewer
    items compete; None when no lists were asked for. What competes is the same as for `full`: the target's rank is below
    the list's length exactly where the target is in the list, ties aside.
    """

    full: npt.NDArray[np.float64]
    sampled: npt.NDArray[np.float64] | None = None
    lists: ItemArray | None = None


def held_out(dataset: Dataset, part: Part) -> ItemArray:
    """[n_eval] the targets of `part`, in the order of `Dataset.split.users`."""
    return dataset.split.valid if part == "valid" else dataset.split.test


def evaluate(
    recommender: Recommender, dataset: Dataset, negatives: ItemArray | None, part: Part, protocol: Protocol, top: int = 0
) -> Ranks:
    """Ranks of the held-out items of `part` under both protocols, and each user's `top` best items where `top` > 0.

    The history is the training part for "valid", and training part plus validation item for "test".
    negatives: [n_eval, m] items, 0 where a user has fewer candidates; None leaves the sampled protocol out. Raises
    NonFiniteError that names the first user whose scores are NaN or infinite.
    """
    split = dataset.split
    if len(split.users) == 0:
        raise InputError(f"Dataset {dataset.name!r} has no user with three or more interactions: nothing to evaluate.")
    if negatives is not None and len(negatives) != len(split.users):
        raise InputError(f"Negatives are stored for {len(negatives)} users, the split evaluates {len(split.users)}.")
    histories = split.train if part == "valid" else histories_before_test(dataset)
    sessions = Sessions.of_users(histories, split.users)
    return rank_targets(recommender, dataset, sessions, held_out(dataset, part), negatives, protocol, top)


@torch.inference_mode()
def rank_targets(
    recommender: Recommender,
    dataset: Dataset,
    sessions: Sessions,
    targets: ItemArray,
    negatives: ItemArray | None,
    protocol: Protocol,
    top: int = 0,
) -> Ranks:
    """`evaluate` for any targets: [m] items, one after each of the m sessions.

    An item that the recommender knows and the data set does not is no error: it competes, and may be a target. Raises
    NonFiniteError that names the first user whose scores are NaN or infinite.
    """
    block = max(LEAST_BLOCK_SESSIONS, MAX_BLOCK_SCORES // (dataset.n_items + 1))
    full = np.empty(len(targets))
    sampled = np.empty(len(targets)) if negatives is not None else None
    lists = np.zeros((len(targets), top), dtype=np.int32) if top > 0 else None
    by_length = np.argsort(sessions.histories.lengths, kind="stable")  # blocks of equal length need little padding
    for start in range(0, len(targets), block):
        rows = by_length[start : start + block]
        of_block = sessions.take(rows)
        scores = recommender.score(of_block)
        _require_finite(scores, dataset, of_block)
        if sampled is not None and negatives is not None:
            sampled[rows] = sampled_ranks(scores, targets[rows], negatives[rows])
        wanted = leave_out(scores, targets[rows], of_block.padded() if protocol.exclude_seen else None)
        if lists is not None:
            lists[rows] = top_items(scores, top)
        full[rows] = full_ranks(scores, wanted)
    return Ranks(full, sampled, lists)


def leave_out(scores: Tensor, targets: ItemArray, seen: IntArray | None = None) -> Tensor:
    """[B, 1] the targets' scores, after minus infinity was written over everything in `scores` that does not compete.

    scores: [B, n_items + 1], changed in place. That is column 0 and the items `seen` ([B, T], 0 where there is none); the
    target always competes.
    """
    target = torch.from_numpy(targets.astype(np.int64)).to(scores.device).unsqueeze(1)
    wanted = scores.gather(1, target)
    scores[:, 0] = -torch.inf
    if seen is not None:
        scores.scatter_(1, torch.from_numpy(seen).to(scores.device), -torch.inf)
        scores.scatter_(1, target, wanted)
    return wanted


def full_ranks(scores: Tensor, wanted: Tensor) -> npt.NDArray[np.float64]:
    """[B] rank of the targets, whose scores are `wanted` ([B, 1]), among the row's scores; `scores` is overwritten.

    With s = sign(score − wanted) the number above plus half the number level is Σ (s + 1) / 2: one sum counts both. Two
    different floats never differ by 0, and the sum is exact in float32 up to 2^24 items. The row holds the target itself
    (s = 0) and the padding (s = −1).
    """
    n_items = scores.shape[1] - 1
    balance = scores.sub_(wanted).sign_().sum(dim=1, dtype=torch.float32)
    return (balance.double().cpu().numpy() + n_items) / 2


def sampled_ranks(scores: Tensor, targets: ItemArray, negatives: ItemArray) -> npt.NDArray[np.float64]:
    """[B] rank of the target among its negatives ([B, m]; 0 marks an absent one)."""
    columns = torch.from_numpy(np.column_stack([targets, negatives]).astype(np.int64)).to(scores.device)
    chosen = scores.gather(1, columns)
    competing = chosen[:, 1:].masked_fill(columns[:, 1:] == 0, -torch.inf)
    above = (competing > chosen[:, :1]).sum(dim=1)
    level = (competing == chosen[:, :1]).sum(dim=1)
    return (above + 0.5 * level).double().cpu().numpy()


def top_items(scores: Tensor, top: int) -> ItemArray:
    """[B, top] the columns of the largest scores, best first, the smaller index first among ties; 0 where fewer compete.

    scores: [B, n_items + 1], minus infinity where an item does not compete.
    """
    floor = _list_floor(scores, top)
    reached = scores >= floor
    row, item = _places(reached)
    crowded = np.flatnonzero(np.bincount(row, minlength=len(scores)) > 8 * top)
    if len(crowded):  # many items tie at the floor, as 0 in a neighbourhood method: of these the first ones are enough
        index = torch.from_numpy(crowded).to(scores.device)
        level = scores[index] == floor[index]
        reached[index] &= ~level | (level.cumsum(dim=1, dtype=torch.int32) <= top)
        row, item = _places(reached)
    value = scores[torch.from_numpy(row).to(scores.device), torch.from_numpy(item).to(scores.device)].cpu().numpy()
    order = np.lexsort((item, -value, row))
    row, item = row[order], item[order]
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(len(scores)))[row]
    lists = np.zeros((len(scores), top), dtype=np.int32)
    kept = place < top
    lists[row[kept], place[kept]] = item[kept]
    return lists


def _places(mask: Tensor) -> tuple[IntArray, IntArray]:
    """Rows and columns of the true cells; much faster than torch's `nonzero`."""
    cells = mask.cpu().numpy()
    row, column = np.divmod(np.flatnonzero(cells), cells.shape[1])
    return row, column


def _list_floor(scores: Tensor, top: int) -> Tensor:
    """[B, 1] a score that at least `top` items reach (as far as so many compete), and few exceed.

    The top-th largest of the maxima of stretches of items: one pass, where finding the top-th largest score takes many.
    """
    width = max(1, scores.shape[1] // (8 * top))
    stretches = scores.shape[1] // width
    maxima = scores[:, : stretches * width].unflatten(1, (stretches, width)).amax(dim=2)
    floor = maxima.topk(min(top, stretches), dim=1).values[:, -1:]
    return floor.clamp(min=torch.finfo(scores.dtype).min)  # an item that does not compete never reaches it


def histories_before_test(dataset: Dataset) -> Sequences:
    """What precedes the test items: all but the last item of the evaluated users, and all items of the others."""
    drop = np.zeros(dataset.n_users, dtype=np.int64)
    drop[dataset.split.users] = 1
    return dataset.sequences.without_last(drop)


def _require_finite(scores: Tensor, dataset: Dataset, sessions: Sessions) -> None:
    if not torch.isfinite(scores.sum()):  # one reduction on the good path; look closer only when it is not finite
        bad = ~torch.isfinite(scores[:, 1:]).all(dim=1)
        if bad.any():
            row = int(bad.nonzero()[0])
            whose = (
                "an anonymous session" if sessions.users is None else f"user {dataset.user_ids[int(sessions.users[row])]!r}"
            )
            raise NonFiniteError(
                f"The scores for {whose} are not finite: training has diverged, or the representation is broken."
            )
