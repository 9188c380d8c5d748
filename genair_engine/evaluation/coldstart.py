"""Cold start, made from a data set: some items are hidden from training as if they were new, and asked for afterwards.

Hidden items are drawn uniformly with a seed. All their interactions are taken out, and what is left is a data set of its own,
over the other items alone, with the ordinary leave-two-out split: a hidden item is no training item, no validation item, no
negative and no part of a softmax. A case is a held-out interaction of the *original* split whose target is hidden; its history
is what the user took before, without hidden items. Nothing after a case's target is trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.evaluation.protocol import Part, held_out, histories_before_test
from genair_engine.types import IntArray, ItemArray

PARTS: tuple[Part, ...] = ("valid", "test")


@dataclass(frozen=True, eq=False)
class Cases:
    """m interactions with hidden items. sessions: the users and what they took before; targets: [m]; in the new numbers."""

    sessions: Sessions
    targets: ItemArray

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class ColdStart:
    """A data set with hidden items. New numbers: known items 1 … n_known in their old order, then the hidden ones.

    order: [n_items] old item numbers (1…n) in the new order. known: the data set without the hidden items. everything: the
    same interactions in a catalogue with them. cases: by part of the original split. dropped: cases without any history.
    """

    order: IntArray
    known: Dataset
    everything: Dataset
    cases: dict[Part, Cases]
    dropped: int

    @property
    def hidden(self) -> ItemArray:
        """New numbers of the hidden items."""
        return np.arange(self.known.n_items + 1, self.everything.n_items + 1, dtype=np.int32)


def hide(dataset: Dataset, share: float, seed: int) -> ColdStart:
    """Hides a share of the items. Users with fewer than three interactions left are not trained on.

    Raises InputError where the share is not above 0 and below 1, or nothing is left to train, validate or ask for.
    """
    if not 0 < share < 1:
        raise InputError(f"The share of hidden items must be above 0 and below 1, not {share}.")
    n = dataset.n_items
    n_hidden = min(max(1, round(share * n)), n - 1)
    hidden = np.zeros(n + 1, dtype=bool)
    hidden[np.random.default_rng(seed).choice(n, n_hidden, replace=False) + 1] = n > 1
    order = np.concatenate([np.flatnonzero(~hidden)[1:], np.flatnonzero(hidden)])
    number = np.zeros(n + 1, dtype=np.int32)
    number[order] = np.arange(1, n + 1)
    left = _without(dataset.sequences, hidden, number)
    left = left.without_last(np.where(left.lengths < 3, left.lengths, 0))  # they would be trained on whole: past their targets
    if not (left.lengths >= 3).any():
        raise InputError(f"Of {dataset.name!r} no user has three interactions left when {share:.0%} of the items are hidden.")
    items = dataset.items.iloc[order - 1].reset_index(drop=True)
    cases, dropped = {}, 0
    for part in PARTS:
        histories = _without(dataset.split.train if part == "valid" else histories_before_test(dataset), hidden, number)
        targets, users = held_out(dataset, part), dataset.split.users
        cold = hidden[targets]
        given = cold & (histories.lengths[users] > 0)
        dropped += int(cold.sum() - given.sum())
        cases[part] = Cases(Sessions.of_users(histories, users[given]), number[targets[given]])
    if not any(len(of_part) for of_part in cases.values()):
        raise InputError(f"No held-out interaction of {dataset.name!r} has a hidden item as its target: hide more items.")
    return ColdStart(
        order=order,
        known=Dataset(dataset.name, items.iloc[: n - n_hidden], left, dataset.user_ids),
        everything=Dataset(dataset.name, items, left, dataset.user_ids),
        cases=cases,
        dropped=dropped,
    )


def by_chance(histories: Sequences, n_items: int, cutoffs: tuple[int, ...]) -> dict[str, float]:
    """Expected HR@K and NDCG@K of a random order of all items that are not in the history; the target is not in it."""
    distinct = np.unique(histories.users * (n_items + 1) + histories.items) // (n_items + 1)
    competing = n_items - np.bincount(distinct, minlength=len(histories))
    expected = {}
    for k in cutoffs:
        gains = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
        places = np.minimum(k, competing)
        expected[f"HR@{k}"] = float((places / competing).mean())
        expected[f"NDCG@{k}"] = float((gains[places - 1] / competing).mean())
    return expected


def _without(sequences: Sequences, hidden: np.ndarray, number: ItemArray) -> Sequences:
    """The sequences without hidden items, in the new numbers."""
    kept = ~hidden[sequences.items]
    lengths = np.bincount(sequences.users[kept], minlength=len(sequences))
    return Sequences(number[sequences.items[kept]], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
