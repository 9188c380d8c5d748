"""What top-K lists are like beyond accuracy: coverage, novelty, popularity bias, exposure; all against training counts.

Every measure is a function of the lists alone ([n, K] items, 0 where a list is shorter) and of the training part. Lists are
those of the protocol: without seen items, except a target that the user took before. Diversity is of one list, and of the
vectors of its items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.popularity import POPULARITY_GROUPS
from genair_engine.errors import InputError
from genair_engine.types import IntArray, ItemArray


def beyond_accuracy(lists: ItemArray, dataset: Dataset, k: int = 10) -> dict[str, float]:
    """All measures of the first `k` places, keyed "coverage@10", "novelty@10", "popularity@10", "long-tail@10", "gini@10".

    lists: [n_eval, K ≥ k] of `Dataset.split.users`. Raises InputError when lists are shorter, too few or empty.
    """
    if not 1 <= k <= lists.shape[1]:
        raise InputError(f"The lists hold {lists.shape[1]} items: k must be between 1 and that, not {k}.")
    if len(lists) != len(dataset.split.users):
        raise InputError(f"There are {len(lists)} lists for {len(dataset.split.users)} evaluated users.")
    top = lists[:, :k]
    if not top.any():
        raise InputError("All lists are empty: nothing was recommended.")
    exposure = np.bincount(top.ravel(), minlength=dataset.n_items + 1)[1:]
    values = {
        "coverage": coverage(exposure),
        "novelty": novelty(exposure, dataset.popularity[1:]),
        "popularity": popularity_lift(top, dataset),
        "long-tail": long_tail_share(exposure, dataset.popularity_group[1:]),
        "gini": gini(exposure),
    }
    return {f"{name}@{k}": value for name, value in values.items()}


def coverage(exposure: IntArray) -> float:
    """Catalogue coverage: the share of all items that stand in at least one list (Ge, Delgado-Battenfeld & Jannach, RecSys
    2010). exposure: [n_items] how many lists hold the item.
    """
    return float((exposure > 0).mean())


def novelty(exposure: IntArray, popularity: IntArray) -> float:
    """Mean self-information −log₂ p(i) in bits over all places of all lists (Zhou et al., PNAS 2010; Vargas & Castells,
    RecSys 2011), with p(i) the item's share of the training interactions ([n_items] counts).

    An item that training never saw counts as if seen once: its self-information would be infinite otherwise.
    """
    bits = np.log2(popularity.sum() / np.maximum(popularity, 1))
    return float(exposure @ bits / exposure.sum())


def diversity(vectors: npt.NDArray[np.float32]) -> float:
    """Mean cosine distance 1 − cos(e_i, e_j) over all pairs of a list's items (intra-list diversity: Smyth & McClave, ICCBR
    2001; Ziegler et al., WWW 2005), in 0 (all alike) … 2.

    vectors: [K, d] item vectors of the list, K ≥ 2; a zero vector is orthogonal to all. Raises InputError on fewer than two.
    """
    if len(vectors) < 2:
        raise InputError("Diversity is about pairs of items: the list needs at least two.")
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = vectors / np.where(length > 0, length, 1.0)
    pairs = len(vectors) * (len(vectors) - 1)
    together = float(np.square(unit.sum(axis=0)).sum() - np.square(unit).sum())  # Σ cos over ordered pairs
    return 1.0 - together / pairs


def popularity_lift(top: ItemArray, dataset: Dataset) -> float:
    """Popularity of what is recommended over that of what the same users took: 1 is no bias, 2 twice as popular.

    Both are means over users of the mean training count of a user's items, the list's above and the training history's
    below: the ratio GAP_r / GAP_p of group average popularity (Abdollahpouri et al., RMSE workshop at RecSys 2019; its ΔGAP
    is this minus 1). Users whose list is empty are left out of both.
    """
    length = (top > 0).sum(axis=1)
    given = length > 0
    recommended = dataset.popularity[top].sum(axis=1)[given] / length[given]  # the padding's count is 0
    history = dataset.split.train.take(dataset.split.users[given])
    taken = np.bincount(history.users, weights=dataset.popularity[history.items]) / history.lengths
    return float(recommended.mean() / taken.mean())


def long_tail_share(exposure: IntArray, group: IntArray) -> float:
    """Share of all places taken by items outside the most popular quintile (as APLT, Abdollahpouri et al., RecSys 2017).

    group: [n_items] `Dataset.popularity_group`.
    """
    return float(exposure[group < POPULARITY_GROUPS].sum() / exposure.sum())


def gini(exposure: IntArray) -> float:
    """Gini index of exposure over the whole catalogue: 0 when every item stands in as many lists, 1 − 1/n when one item
    takes every place (Gunawardana & Shani, Recommender Systems Handbook 2015).
    """
    ordered = np.sort(exposure).astype(np.float64)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))
