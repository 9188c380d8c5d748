"""Pictures are turned onto each other, and samples keep the groups' shares."""

from __future__ import annotations

import numpy as np
import pytest

from genair_engine.analysis.alignment import procrustes, stratified_sample, unit_size


def test_a_turned_and_mirrored_picture_comes_back():
    random = np.random.default_rng(1)
    points = random.normal(size=(50, 2)) * [3, 1]
    turn = np.array([[np.cos(2.0), -np.sin(2.0)], [np.sin(2.0), np.cos(2.0)]]) @ np.diag([1, -1])
    fitted, agreement = procrustes(points, 7.5 * points @ turn + [100, -3])
    np.testing.assert_allclose(fitted, unit_size(points), atol=1e-9)
    assert agreement == pytest.approx(1)
    assert np.square(fitted).sum(axis=1).mean() == pytest.approx(1)


def test_unrelated_pictures_agree_little_and_no_rotation_agrees_more():
    random = np.random.default_rng(2)
    points, other = random.normal(size=(2000, 2)), random.normal(size=(2000, 2))
    fitted, agreement = procrustes(points, other)
    assert agreement < 0.1
    fixed = unit_size(points)
    best = np.square(fixed - fitted).sum()
    for angle in np.linspace(0, 2 * np.pi, 25):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert np.square(fixed - unit_size(other) @ turn).sum() >= best - 1e-9


def test_points_in_one_place_stay_there():
    fitted, agreement = procrustes(np.ones((4, 2)), np.full((4, 2), 5.0))
    assert np.all(fitted == 0) and agreement == 0


def test_a_sample_keeps_the_shares_of_the_groups():
    groups = np.repeat([3, 1, 2], [600, 300, 100])
    chosen = stratified_sample(groups, 101, seed=5)
    assert len(np.unique(chosen)) == 101 and np.all(np.diff(chosen) > 0)
    for group, share in ((3, 60.6), (1, 30.3), (2, 10.1)):
        assert abs((groups[chosen] == group).sum() - share) <= 1
    np.testing.assert_array_equal(chosen, stratified_sample(groups, 101, seed=5))
    assert set(chosen) != set(stratified_sample(groups, 101, seed=6))


def test_few_enough_are_all_there():
    np.testing.assert_array_equal(stratified_sample(np.array([2, 1, 1]), 3, seed=0), [0, 1, 2])
