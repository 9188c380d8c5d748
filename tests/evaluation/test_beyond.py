"""Measures of top-K lists, by hand, by their known extremes, and against loops over users and places."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.errors import InputError
from genair_engine.evaluation.beyond import (
    beyond_accuracy,
    coverage,
    diversity,
    gini,
    long_tail_share,
    novelty,
    popularity_lift,
)

DATA = synthetic_dataset(users=12, items=15, interactions=90, seed=1)


def test_coverage_counts_items_once():
    assert coverage(np.array([3, 0, 1, 0])) == 0.5


def test_novelty_is_self_information_in_bits():
    popularity = np.array([4, 3, 1, 0])  # 8 interactions
    assert novelty(np.array([1, 0, 0, 0]), popularity) == 1.0
    assert novelty(np.array([0, 0, 1, 0]), popularity) == 3.0
    assert novelty(np.array([0, 0, 0, 5]), popularity) == 3.0  # never seen: as if seen once
    assert novelty(np.array([1, 0, 1, 0]), popularity) == 2.0


def test_gini_at_its_extremes_and_by_hand():
    assert gini(np.array([7, 7, 7])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(1 - 1 / 4)
    assert gini(np.array([3, 1])) == pytest.approx(0.25)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30).filter(any))
def test_gini_is_half_the_relative_mean_difference(exposure):
    n, total = len(exposure), sum(exposure)
    expected = sum(abs(a - b) for a in exposure for b in exposure) / (2 * n * total)
    assert gini(np.array(exposure)) == pytest.approx(expected)


def test_long_tail_is_all_but_the_fifth_quintile():
    assert long_tail_share(np.array([1, 1, 1, 1, 4]), np.array([1, 2, 3, 4, 5])) == 0.5


@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 5))
def test_diversity_is_the_mean_distance_of_all_pairs(seed, k, dim):
    vectors = np.random.default_rng(seed).normal(size=(k, dim)).astype(np.float32)
    unit = [vector / np.linalg.norm(vector) for vector in vectors]
    expected = np.mean([1 - unit[i] @ unit[j] for i in range(k) for j in range(i)])
    assert diversity(vectors) == pytest.approx(expected, abs=1e-5)


def test_diversity_at_its_extremes():
    assert diversity(np.tile(np.float32([1, 2]), (4, 1))) == pytest.approx(0)
    assert diversity(np.eye(3, dtype=np.float32)) == pytest.approx(1)
    assert diversity(np.float32([[1, 0], [-3, 0]])) == pytest.approx(2)
    assert diversity(np.float32([[1, 0], [0, 0]])) == pytest.approx(1)
    with pytest.raises(InputError, match="at least two"):
        diversity(np.ones((1, 3), dtype=np.float32))


def test_repeating_the_history_has_no_popularity_bias():
    train = DATA.split.train
    width = int(train.lengths.max())
    lists = train.padded(DATA.split.users, width).astype(np.int32)
    assert popularity_lift(lists, DATA) == pytest.approx(1)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_equals_loops(seed, k):
    random = np.random.default_rng(seed)
    users = DATA.split.users.tolist()
    lists = np.zeros((len(users), 6), dtype=np.int32)
    for row in lists[1:]:  # one user gets nothing, the others lists of different lengths
        items = random.permutation(np.arange(1, 16))[: random.integers(1, 7)]
        row[: len(items)] = items
    train = [DATA.sequences[user].tolist()[:-2] for user in users]
    everyone = [DATA.sequences[user].tolist() for user in range(DATA.n_users)]
    everything = [item for row in everyone for item in (row[:-2] if len(row) >= 3 else row)]
    count = {item: everything.count(item) for item in range(1, 16)}
    best = set(sorted(count, key=lambda item: (count[item], item))[12:])
    top = [[item for item in row[:k].tolist() if item] for row in lists]
    places = [item for row in top for item in row]
    given_users = [row for row in range(len(users)) if top[row]]
    above = np.mean([np.mean([count[item] for item in top[row]]) for row in given_users])
    below = np.mean([np.mean([count[item] for item in train[row]]) for row in given_users])
    values = beyond_accuracy(lists, DATA, k)
    assert values == pytest.approx(
        {
            f"coverage@{k}": len(set(places)) / 15,
            f"novelty@{k}": np.mean([-math.log2(max(count[item], 1) / len(everything)) for item in places]),
            f"popularity@{k}": above / below,
            f"long-tail@{k}": sum(item not in best for item in places) / len(places),
            f"gini@{k}": gini(np.array([places.count(item) for item in range(1, 16)])),
        }
    )
    assert all(type(value) is float for value in values.values())


def test_held_out_items_change_nothing():
    lists = np.tile(np.arange(1, 11, dtype=np.int32), (len(DATA.split.users), 1))
    sequences = DATA.sequences
    changed = sequences.items.copy()
    for back in (1, 2):
        ends = sequences.offsets[DATA.split.users + 1] - back
        changed[ends] = changed[ends] % 15 + 1
    other = type(DATA)("other", DATA.items, type(sequences)(changed, sequences.offsets), DATA.user_ids)
    assert beyond_accuracy(lists, other) == beyond_accuracy(lists, DATA)


@pytest.mark.parametrize("k", [0, 7])
def test_a_cutoff_outside_the_lists_is_refused(k):
    with pytest.raises(InputError, match="between 1"):
        beyond_accuracy(np.ones((len(DATA.split.users), 6), dtype=np.int32), DATA, k)


def test_lists_of_other_users_and_empty_lists_are_refused():
    with pytest.raises(InputError, match="1 lists"):
        beyond_accuracy(np.ones((1, 10), dtype=np.int32), DATA)
    with pytest.raises(InputError, match="empty"):
        beyond_accuracy(np.zeros((len(DATA.split.users), 10), dtype=np.int32), DATA)
