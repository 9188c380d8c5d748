"""Metrics per group of users: by the popularity of the target item, and by the length of the user's history.

Quintiles as in the paper's figure 5, from training counts; not the public code's fixed cuts (5, 10, 20, 40 and 5, 10, 15,
20), which count held-out items too and leave groups empty on other data (methods.md section 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.popularity import POPULARITY_GROUPS
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Part, held_out
from genair_engine.types import IntArray

GroupMetrics = dict[str, dict[str, float]]
LENGTH_GROUPS = 5


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of the evaluated users. labels: one a group. member: [n_eval] int, the index of the user's label."""

    labels: list[str]
    member: IntArray


def popularity_groups(dataset: Dataset, part: Part) -> Groups:
    """By the quintile of the target's training count: "Q1" holds the fifth of the items that sold least, "Q5" the most.

    Quintiles of *items* (`Dataset.popularity_group`: of equal size, ties cut by item index, items that training never saw
    first), so that most users are in Q5 and a group may have none.
    """
    labels = [f"Q{number}" for number in range(1, POPULARITY_GROUPS + 1)]
    return Groups(labels, dataset.popularity_group[held_out(dataset, part)] - 1)


def history_groups(dataset: Dataset) -> Groups:
    """By the number of the user's training interactions, for both parts alike: labels "3", "4–6", …, "12–80".

    Users of equal length are never separated: a length goes whole into the fifth of the users that its middle user is in.
    Short histories being by far the most frequent, groups can be fewer than five and of unequal size; none is empty.
    """
    lengths = dataset.split.train.lengths[dataset.split.users]
    distinct, inverse, counts = np.unique(lengths, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    fifth = np.minimum(middle * LENGTH_GROUPS // len(lengths), LENGTH_GROUPS - 1)
    present, group = np.unique(fifth, return_inverse=True)
    labels = []
    for number in range(len(present)):
        shortest, longest = distinct[group == number][[0, -1]]
        labels.append(str(shortest) if shortest == longest else f"{shortest}–{longest}")
    return Groups(labels, group[inverse])


def group_metrics(ranks: npt.NDArray[np.float64], groups: Groups, cutoffs: tuple[int, ...] = (10,)) -> GroupMetrics:
    """{label: {"users": n, "HR@10": …, "NDCG@10": …, "MRR@10": …}}; a group without users has "users" 0 and no metrics.

    ranks: [n_eval] of one protocol. Weighted by "users", the groups' metrics average to those of all users.
    """
    by_group: GroupMetrics = {}
    for number, label in enumerate(groups.labels):
        of_group = ranks[groups.member == number]
        by_group[label] = {"users": len(of_group), **metrics(of_group, cutoffs)}
    return by_group
