"""Paired comparisons against scipy, planted effects, and exact enumeration."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genair_engine.errors import InputError
from genair_engine.evaluation.significance import bootstrap, over_seeds, over_users


def skewed(rng, n, hit=0.12):
    """Per-user NDCG as it looks in practice: mostly 0, else a value of the discount curve."""
    return (rng.random(n) < hit) / np.log2(rng.integers(0, 10, n) + 2)


def test_t_test_equals_scipy():
    rng = np.random.default_rng(0)
    a, b = skewed(rng, 500), skewed(rng, 500)
    comparison = over_users(a, b)
    expected = stats.ttest_rel(a, b)
    assert (comparison.t, comparison.p_t) == pytest.approx((expected.statistic, expected.pvalue))
    assert (comparison.n, comparison.over, comparison.note) == (500, "users", "")
    assert comparison.difference == pytest.approx(comparison.mean_a - comparison.mean_b)


def test_seeds_are_averaged_before_users_are_compared():
    rng = np.random.default_rng(1)
    a, b = skewed(rng, (3, 40)), skewed(rng, (2, 40))
    expected = stats.ttest_rel(a.mean(axis=0), b.mean(axis=0))
    assert over_users(a, b).p_t == pytest.approx(expected.pvalue)


def test_three_seeds_have_a_t_test_and_no_bootstrap():
    a, b = [0.081, 0.083, 0.080], [0.078, 0.079, 0.079]
    comparison = over_seeds(a, b)
    assert comparison.p_t == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert comparison.interval is None and comparison.p_bootstrap is None
    assert "too few for a bootstrap" in comparison.note


def test_one_seed_has_no_test_at_all():
    comparison = over_seeds([0.081], [0.078])
    assert (comparison.t, comparison.p_t, comparison.interval, comparison.p_bootstrap) == (None, None, None, None)
    assert comparison.difference == pytest.approx(0.003)
    assert "nothing can be tested" in comparison.note


def test_bootstrap_agrees_with_the_t_test_on_many_users():
    rng = np.random.default_rng(2)
    a = skewed(rng, 4000)
    b = np.where(rng.random(4000) < 0.1, skewed(rng, 4000), a)
    comparison = over_users(a, b)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    width = expected.high - expected.low
    assert comparison.interval == pytest.approx((expected.low, expected.high), abs=0.05 * width)
    assert comparison.p_bootstrap == pytest.approx(comparison.p_t, abs=0.03)


def test_a_planted_effect_is_found_and_its_absence_too():
    rng = np.random.default_rng(3)
    b = skewed(rng, 3000)
    better = np.where(rng.random(3000) < 0.02, 1.0, b)
    comparison = over_users(better, b)
    assert comparison.p_t < 0.001 and comparison.p_bootstrap < 0.001 and comparison.interval[0] > 0
    worse = over_users(b, better)
    assert worse.p_t == pytest.approx(comparison.p_t) and worse.interval[1] < 0 and worse.t == pytest.approx(-comparison.t)


def test_false_alarms_are_as_frequent_as_promised():
    rng = np.random.default_rng(4)
    t, resampled = 0, 0
    for seed in range(400):
        difference = skewed(rng, 300) - skewed(rng, 300)
        comparison = over_users(difference, np.zeros(300), resamples=400, seed=seed)
        t += comparison.p_t < 0.1
        resampled += comparison.p_bootstrap < 0.1
    assert 20 <= t <= 62 and 20 <= resampled <= 62  # 40 expected, standard deviation 6


@settings(max_examples=20)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=5))
def test_bootstrap_tends_to_exact_enumeration(values):
    difference = np.array(values, dtype=float)
    means = np.array([np.mean(drawn) for drawn in itertools.product(difference, repeat=len(values))])
    far = np.abs(means - difference.mean()) >= abs(difference.mean()) - 1e-9
    _, p = bootstrap(difference, resamples=20_000)
    assert p == pytest.approx(far.mean(), abs=0.02)


def test_the_same_seed_gives_the_same_answer():
    rng = np.random.default_rng(5)
    a, b = skewed(rng, 200), skewed(rng, 200)
    assert over_users(a, b, seed=1) == over_users(a, b, seed=1)
    assert over_users(a, b, seed=1).interval != over_users(a, b, seed=2).interval


def test_equal_methods_do_not_differ():
    a = skewed(np.random.default_rng(6), 100)
    comparison = over_users(a, a)
    assert (comparison.t, comparison.p_t, comparison.p_bootstrap, comparison.interval) == (0.0, 1.0, 1.0, (0.0, 0.0))
    seeds = np.random.default_rng(7).random((3, 100))
    reordered = over_users(seeds, seeds[[2, 0, 1]])  # equal but for the rounding of the mean
    assert (reordered.t, reordered.p_t) == (0.0, 1.0)


def test_a_constant_difference_is_certain():
    comparison = over_seeds([0.3, 0.2, 0.7], [0.2, 0.1, 0.6])
    assert (comparison.t, comparison.p_t) == (np.inf, 0.0)
    assert over_seeds([0.2, 0.1, 0.6], [0.3, 0.2, 0.7]).t == -np.inf


def test_memory_stays_far_below_resamples_times_users():
    difference = skewed(np.random.default_rng(8), 8000)
    tracemalloc.start()
    bootstrap(difference, resamples=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # 2,000 x 8,000 float64 alone are 128 MB


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0, 2.0], [1.0], "same users"),
        ([], [], "same users"),
        ([1.0, float("nan")], [1.0, 2.0], "finite"),
    ],
)
def test_what_cannot_be_paired_is_refused(a, b, message):
    with pytest.raises(InputError, match=message):
        over_users(a, b)


def test_confidence_must_be_a_probability():
    with pytest.raises(InputError, match="confidence"):
        over_users([1.0, 2.0], [1.0, 1.5], confidence=95)
