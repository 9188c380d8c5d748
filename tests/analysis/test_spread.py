"""Mean pairwise cosine and isotropy against the plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.analysis.spectrum import gram
from genair_engine.analysis.spread import isotropy, mean_cosine


def vectors_of(n, d, seed):
    random = np.random.default_rng(seed)
    return random.normal(size=(n, d)) * random.exponential(size=d) + random.normal(size=d)


def all_pairs(vectors):
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return float((units @ units.T)[np.triu_indices(len(units), 1)].mean())


def iso_score(vectors):
    """The published algorithm, step by step (Rudman et al. 2022, section 4): principal variances, normalised, against ones."""
    centred = vectors - vectors.mean(axis=0)
    d = vectors.shape[1]
    variances = np.clip(np.linalg.eigvalsh(centred.T @ centred), 0, None)
    normalised = np.sqrt(d) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normalised - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    utilised = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    return (d * utilised - 1) / (d - 1)


@settings(max_examples=40)
@given(st.integers(2, 25), st.integers(2, 25), st.integers(0, 10_000))
def test_both_are_what_they_are_defined_as(n, d, seed):
    vectors = vectors_of(n, d, seed)
    assert mean_cosine(vectors) == pytest.approx(all_pairs(vectors), abs=1e-9)
    assert isotropy(vectors, gram(vectors)) == pytest.approx(iso_score(vectors), abs=1e-9)


def test_extremes():
    apart = np.vstack([np.eye(5), -np.eye(5)])
    assert isotropy(apart, gram(apart)) == pytest.approx(1)
    assert mean_cosine(apart) == pytest.approx(-1 / 9)
    line = np.outer(np.arange(1, 8), np.ones(3))
    assert isotropy(line, gram(line)) == pytest.approx(0, abs=1e-12)
    assert mean_cosine(line) == pytest.approx(1)


def test_what_has_no_angle_or_no_variance_is_left_out():
    with_zeros = np.vstack([np.zeros((3, 2)), [[1.0, 0.0], [0.0, 1.0]]])
    assert mean_cosine(with_zeros) == pytest.approx(0)
    assert mean_cosine(with_zeros[:4]) is None
    for n in (2, 30):
        same = np.tile(np.float32([0.1, 0.2, 0.3]), (n, 1))
        assert isotropy(same, gram(same)) is None
    assert isotropy(np.ones((4, 1)), gram(np.ones((4, 1)))) is None
