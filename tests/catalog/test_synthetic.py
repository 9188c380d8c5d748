"""The synthetic catalogues have the size that was asked for, skewed popularity and clusters."""

from __future__ import annotations

import numpy as np
import pytest

from genair_engine.catalog.synthetic import CLUSTERS, synthetic_dataset


@pytest.mark.parametrize(("users", "items", "interactions"), [(200, 90, 3000), (3, 2, 3), (1, 1, 1)])
def test_size(users: int, items: int, interactions: int) -> None:
    data = synthetic_dataset(users, items, interactions)
    assert (data.n_users, data.n_items, data.n_interactions) == (users, items, interactions)
    assert data.sequences.lengths.min() >= 1
    assert data.items["item_id"].is_unique


def test_seed_decides() -> None:
    first, again, other = (synthetic_dataset(50, 40, 400, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.sequences.items, again.sequences.items)
    assert first.items.equals(again.items)
    assert not np.array_equal(first.sequences.items, other.sequences.items)


def test_skew_and_clusters() -> None:
    data = synthetic_dataset(300, 180, 6000, seed=4)
    counts = np.sort(np.bincount(data.sequences.items, minlength=181)[1:])[::-1]
    assert counts[:36].sum() > 0.5 * counts.sum(), "the top fifth of the items holds most events"
    cluster = data.items["categories"].map({name: number for number, name in enumerate(CLUSTERS)}).to_numpy()
    events = cluster[data.sequences.items - 1]
    own = np.zeros((300, len(CLUSTERS)))
    np.add.at(own, (data.sequences.users, events), 1)
    share = own.max(axis=1) / own.sum(axis=1)
    assert share.mean() > 0.7
