"""Evaluation negatives: never met, distinct, the same for the same seed, and each user's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.negatives import draw_negatives
from genair_engine.catalog.sequences import Sequences


@settings(max_examples=60)
@given(n_items=st.integers(1, 400), count=st.integers(1, 60), seed=st.integers(-5, 2**70), data=st.data())
def test_distinct_and_never_met(n_items: int, count: int, seed: int, data: st.DataObject) -> None:
    row = st.lists(st.integers(1, n_items), max_size=20)
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    rows.append(list(range(1, n_items + 1))[: data.draw(st.integers(0, n_items))])
    users = np.array(data.draw(st.permutations(range(len(rows)))), dtype=np.int64)
    drawn = draw_negatives(Sequences.from_lists(rows), users, n_items, count, seed)
    assert (drawn.shape, drawn.dtype) == ((len(users), count), np.int32)
    for user, negatives in zip(users, drawn.tolist(), strict=True):
        free = set(range(1, n_items + 1)) - set(rows[user])
        items = [item for item in negatives if item]
        assert len(items) == len(set(items)) == min(count, len(free))
        assert set(items) <= free
        assert negatives == items + [0] * (count - len(items))


@pytest.mark.parametrize("n_items", [50, 5000])
def test_a_row_depends_on_seed_and_user_only(n_items: int) -> None:
    random = np.random.default_rng(0)
    rows = [random.integers(1, n_items + 1, size=random.integers(1, 40)).tolist() for _ in range(30)]
    sequences = Sequences.from_lists(rows)
    users = np.arange(20)
    drawn = draw_negatives(sequences, users, n_items, 30, seed=7)
    np.testing.assert_array_equal(draw_negatives(sequences, users, n_items, 30, seed=7), drawn)
    np.testing.assert_array_equal(draw_negatives(sequences, np.arange(30), n_items, 30, seed=7)[:20], drawn)
    np.testing.assert_array_equal(draw_negatives(sequences, users[::-1], n_items, 30, seed=7), drawn[::-1])
    assert (draw_negatives(sequences, users, n_items, 30, seed=8) != drawn).any()


def test_users_with_the_same_list_get_different_negatives() -> None:
    drawn = draw_negatives(Sequences.from_lists([[1, 2], [1, 2]]), np.arange(2), n_items=1000, count=10)
    assert set(drawn[0]) != set(drawn[1])


@pytest.mark.parametrize("n_items", [20, 200])
def test_uniform_over_the_items_not_met(n_items: int) -> None:
    """Chi-square of the counts, for the shuffled and the rejected way alike; its mean is the degrees of freedom."""
    n_users, count = 4000, 5
    sequences = Sequences.from_lists([[1, 2, 3]] * n_users)
    drawn = draw_negatives(sequences, np.arange(n_users), n_items, count)
    observed = np.bincount(drawn.ravel(), minlength=n_items + 1)[4:]
    expected = n_users * count / (n_items - 3)
    chi_square = ((observed - expected) ** 2 / expected).sum()
    freedom = n_items - 4
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


def test_all_that_is_left_comes_in_random_order() -> None:
    sequences = Sequences.from_lists([list(range(4, 11))] * 50)
    drawn = draw_negatives(sequences, np.arange(50), n_items=10, count=5)
    assert {tuple(sorted(row)) for row in drawn[:, :3].tolist()} == {(1, 2, 3)}
    assert not drawn[:, 3:].any()
    assert len({tuple(row) for row in drawn.tolist()}) == 6
