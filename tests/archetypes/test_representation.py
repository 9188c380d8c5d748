"""PCA against scikit-learn, explained variance, reconstruction, new items, and errors that name the item."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save
from sklearn.decomposition import PCA

from genair_engine import pca
from genair_engine.archetypes.representation import (
    Representation,
    check_finite,
    fit_part,
    part_scales,
    project,
    represent,
)
from genair_engine.errors import InputError, NonFiniteError


def states_of(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Correlated features of very different sizes around a mean far from zero, as a language model's states are."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d)) * np.geomspace(1, 1e-3, d)[:, None]
    return (rng.normal(size=(n, d)) @ mixing + 5 * rng.normal(size=d)).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (21, 20), (20, 20), (12, 40)])
def test_parity_with_scikit_learn(n: int, d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca, "_BLOCK", 64)  # several blocks, the last one not full
    states = states_of(n, d)
    k = min(8, n - 1)
    basis = fit_part(states, components=k)
    oracle = PCA(n_components=k, svd_solver="full").fit(states.astype(np.float64))
    np.testing.assert_allclose(basis.mean, oracle.mean_, rtol=1e-6)
    np.testing.assert_allclose(basis.explained_ratio, oracle.explained_variance_ratio_, rtol=1e-5)
    agreement = np.abs((basis.components * oracle.components_).sum(axis=1))
    np.testing.assert_allclose(agreement, 1, atol=1e-6)
    np.testing.assert_allclose(np.abs(project(basis, states)), np.abs(oracle.transform(states)), atol=1e-3)


def test_signs_are_deterministic() -> None:
    states = states_of(60, 15)
    basis = fit_part(states, components=10)
    largest = np.abs(basis.components).argmax(axis=1)
    assert (basis.components[np.arange(10), largest] > 0).all()
    shuffled = fit_part(states[np.random.default_rng(1).permutation(60)], components=10)
    np.testing.assert_allclose(shuffled.components, basis.components, atol=1e-5)


@pytest.mark.parametrize("variance", [0.5, 0.9, 0.95, 0.999])
def test_the_fewest_components_that_reach_the_variance(variance: float) -> None:
    states = states_of(200, 30)
    ratio = PCA().fit(states.astype(np.float64)).explained_variance_ratio_.cumsum()
    basis = fit_part(states, variance=variance)
    assert len(basis.components) == int((ratio < variance).sum()) + 1
    assert basis.explained_ratio.sum() >= variance > basis.explained_ratio[:-1].sum()


def test_all_variance_reconstructs_the_states() -> None:
    states = states_of(9, 50)
    basis = fit_part(states, variance=1.0)
    assert basis.components.shape == (8, 50)
    np.testing.assert_allclose(project(basis, states) @ basis.components + basis.mean, states, atol=1e-4)


def test_components_are_limited_by_items_width_and_rank() -> None:
    assert fit_part(states_of(5, 20), components=384).components.shape == (4, 20)
    assert fit_part(states_of(50, 6), components=384).components.shape == (6, 6)
    twice = np.repeat(states_of(4, 20), 10, axis=0)  # forty items, four different ones
    assert fit_part(twice, components=384).components.shape == (3, 20)


def test_parts_stand_side_by_side_and_new_items_are_projected() -> None:
    states = {"prefill": states_of(40, 24, seed=2), "decoding": states_of(40, 16, seed=1)}
    built = represent(states, components=5)
    assert built.vectors.shape == (40, 10) and built.vectors.dtype == np.float32
    assert list(built.bases) == ["prefill", "decoding"]
    np.testing.assert_array_equal(built.vectors[:, :5], project(built.bases["prefill"], states["prefill"]))
    new = {part: values[[7, 3]] for part, values in states.items()}
    np.testing.assert_allclose(built.project(new), built.vectors[[7, 3]], atol=1e-4)


def test_parts_have_any_names_and_stand_in_the_order_given() -> None:
    states = {"signal:scenario": states_of(20, 6, seed=1), "image": states_of(20, 5, seed=2)}
    built = represent(states, components=2)
    assert list(built.bases) == ["signal:scenario", "image"]
    np.testing.assert_array_equal(built.vectors[:, 2:], project(built.bases["image"], states["image"]))
    read = Representation.from_arrays(load(save(built.arrays())), ["signal:scenario", "image"])
    assert list(read.bases) == ["signal:scenario", "image"]


def test_one_part_is_enough() -> None:
    states = {"decoding": states_of(40, 16)}
    built = represent(states, variance=0.9)
    assert list(built.bases) == ["decoding"]
    assert built.vectors.shape[1] == len(built.bases["decoding"].components)


def test_it_survives_an_artifact() -> None:
    states = {"prefill": states_of(30, 12, seed=1), "decoding": states_of(30, 10, seed=2)}
    built = represent(states)
    read = Representation.from_arrays(load(save(built.arrays())), built.bases)
    assert list(read.bases) == list(built.bases)
    np.testing.assert_array_equal(read.vectors, built.vectors)
    np.testing.assert_array_equal(read.project(states), built.project(states))
    incomplete = {k: v for k, v in built.arrays().items() if k != "decoding.components"}
    with pytest.raises(InputError, match=r"lacks the array 'decoding\.components'"):
        Representation.from_arrays(incomplete, built.bases)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_first_bad_item_is_named(value: float) -> None:
    states = {"prefill": states_of(6, 8), "decoding": states_of(6, 8)}
    states["decoding"][[3, 5], 2] = value
    names = [f"item b{i:02d} (title {i})" for i in range(6)]
    with pytest.raises(NonFiniteError, match=r"the decoding states of item b03 \(title 3\) \(2 of 6 rows\)"):
        represent(states, names=names)
    with pytest.raises(NonFiniteError, match="the vectors of row 3"):
        check_finite(states["decoding"], "the vectors")
    good = represent({"prefill": states["prefill"]})
    with pytest.raises(NonFiniteError, match="item b03"):
        good.project({"prefill": states["decoding"]}, names)


@pytest.mark.parametrize("value", [0.0, 0.1, 1234.5])
@pytest.mark.parametrize("n", [4, 100])
def test_items_that_are_all_alike_are_refused(n: int, value: float) -> None:
    with pytest.raises(InputError, match=f"prefill states of all {n} items are the same"):
        represent({"prefill": np.full((n, 10), value, dtype=np.float32)})


def test_wrong_shapes_and_options() -> None:
    states = states_of(10, 8)
    with pytest.raises(InputError, match="at least two items, got 1"):
        fit_part(states[:1])
    with pytest.raises(InputError, match="variance must be above 0"):
        fit_part(states, variance=0.0)
    with pytest.raises(InputError, match="variance must be above 0"):
        fit_part(states, variance=None)
    with pytest.raises(InputError, match="components must be at least 1"):
        fit_part(states, components=0)
    with pytest.raises(InputError, match="got no part"):
        represent({})
    with pytest.raises(InputError, match="different numbers of items"):
        represent({"prefill": states, "decoding": states[:9]})
    built = represent({"prefill": states})
    with pytest.raises(InputError, match="prefill states of width 8, got 7"):
        built.project({"prefill": states[:, :7]})
    with pytest.raises(InputError, match="prefill states of width 8, got none"):
        built.project({"decoding": states})


def test_scaled_by_part_every_part_counts_the_same():
    random = np.random.default_rng(0)
    vectors = np.concatenate([random.normal(size=(9, 3)), 40 * random.normal(size=(9, 2))], axis=1).astype(np.float32)
    level = vectors / part_scales(vectors, [3, 2])
    for part in (level[:, :3], level[:, 3:]):
        assert np.sqrt(np.square(part).mean()) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(level[:, 3] / level[:, 4], vectors[:, 3] / vectors[:, 4], rtol=1e-5)  # directions stay
    np.testing.assert_array_equal(part_scales(np.zeros((4, 2), np.float32), [1, 1]), 1)
