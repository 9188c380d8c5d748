"""Matrix-based entropy against the oracles of methods.md part 9 and a direct eigendecomposition of Z Zᵀ."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.analysis.spectrum import band, entropy, gram, resampled_spectra, spectrum
from genair_engine.errors import InputError

ORDERS = (0.25, 0.5, 1.0, 1.5, 2.0, 7.0)


def entropy_of(vectors, order=1.0):
    return float(entropy(spectrum(gram(vectors)), order))


def direct(vectors, order):
    """Equation 25 from the eigenvalues of the large K = Z Zᵀ, whatever its size."""
    eigenvalues = np.linalg.eigvalsh(vectors @ vectors.T)
    shares = eigenvalues[eigenvalues > eigenvalues.max() * len(vectors) * np.finfo(float).eps] / np.trace(vectors @ vectors.T)
    if order == 1:
        return float(-(shares * np.log(shares)).sum())
    return float(np.log((shares**order).sum()) / (1 - order))


def vectors_of(n, d, seed, rank=None):
    random = np.random.default_rng(seed)
    if rank is None:
        return random.normal(size=(n, d)) * random.exponential(size=d)
    return random.normal(size=(n, rank)) @ random.normal(size=(rank, d))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("n", "d"), [(6, 6), (4, 9)])
def test_orthonormal_rows_have_the_entropy_ln_n(n, d, order):
    rows = np.linalg.qr(vectors_of(d, d, seed=1))[0][:n]
    assert entropy_of(rows, order) == pytest.approx(np.log(n), abs=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [1, 3, 40])
def test_identical_rows_have_none(n, order):
    row = np.random.default_rng(2).normal(size=7).astype(np.float32)
    assert entropy_of(np.tile(row, (n, 1)), order) == pytest.approx(0, abs=1e-9)


@settings(max_examples=60)
@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(ORDERS), st.integers(0, 10_000))
def test_it_is_that_of_a_direct_eigendecomposition(n, d, order, seed):
    vectors = vectors_of(n, d, seed)
    assert entropy_of(vectors, order) == pytest.approx(direct(vectors, order), abs=1e-8)


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 10_000))
def test_it_is_at_most_the_log_of_the_rank_and_falls_with_the_order(n, d, rank, seed):
    shares = spectrum(gram(vectors_of(n, d, seed, rank)))
    assert len(shares) <= min(n, d, rank)
    assert shares.sum() == pytest.approx(1)
    entropies = [float(entropy(shares, order)) for order in ORDERS]
    assert entropies[0] <= np.log(min(n, d, rank)) + 1e-9
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(entropies))
    assert entropies[-1] >= -1e-9


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("n", "d"), [(50, 8), (8, 50)])
def test_rotation_and_scale_change_nothing(n, d, order):
    vectors = vectors_of(n, d, seed=3)
    rotation = np.linalg.qr(vectors_of(d, d, seed=4))[0]
    assert entropy_of(17.5 * vectors @ rotation, order) == pytest.approx(entropy_of(vectors, order), abs=1e-10)


def test_order_one_is_the_limit():
    shares = spectrum(gram(vectors_of(40, 9, seed=5)))
    for order in (1 - 1e-4, 1 - 1e-5, 1 + 1e-7, 1 + 1e-5, 1 + 1e-4):
        assert float(entropy(shares, order)) == pytest.approx(float(entropy(shares, 1.0)), abs=2e-4)
    assert float(entropy(shares, 1 - 1e-5)) > float(entropy(shares, 1.0)) > float(entropy(shares, 1 + 1e-5))


def test_many_spectra_at_once_with_zeros_for_missing_directions():
    shares = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    for order in ORDERS:
        np.testing.assert_allclose(entropy(shares, order), [np.log(2), 0, np.log(3)], atol=1e-12)


def test_blocks_of_rows_add_up(monkeypatch):
    vectors = vectors_of(100, 5, seed=6).astype(np.float32)
    whole = gram(vectors)
    monkeypatch.setattr("genair_engine.pca._BLOCK", 7)
    np.testing.assert_allclose(gram(vectors), whole, rtol=1e-12)
    assert whole.shape == (5, 5) and whole.dtype == np.float64


def test_without_any_direction_there_is_nothing_to_measure():
    for nothing in (np.zeros((3, 4)), np.zeros((0, 4))):
        with pytest.raises(InputError, match="all zero"):
            spectrum(gram(nothing))


@pytest.mark.parametrize(("n", "d"), [(60, 6), (10, 30)])
def test_a_weighted_resample_is_the_resample(n, d):
    vectors = vectors_of(n, d, seed=7)
    rows = np.random.default_rng(8).integers(n, size=n)
    (resampled,) = resampled_spectra(vectors, 1, np.random.default_rng(8))
    expected = spectrum(gram(vectors[rows]))
    np.testing.assert_allclose(resampled, expected[: len(resampled)], atol=1e-9)
    assert entropy(resampled) == pytest.approx(float(entropy(expected)), abs=1e-9)


def test_the_band_covers_as_often_as_it_says():
    """Groups of 60 items drawn from a normal law whose entropy is known: 200 bands of 90% miss about as often as they may."""
    random = np.random.default_rng(9)
    strengths = np.array([1.0, 0.5, 0.25, 0.1])
    large = float(entropy(strengths / strengths.sum()))
    covered = 0
    for _ in range(200):
        vectors = random.normal(size=(60, 4)) * np.sqrt(strengths)
        resampled = np.array([float(entropy(shares)) for shares in resampled_spectra(vectors, 80, random)])
        low, high = band(entropy_of(vectors), resampled, 0.9)
        assert low < entropy_of(vectors) < high
        covered += low <= large <= high
    assert 0.8 <= covered / 200 <= 0.96
