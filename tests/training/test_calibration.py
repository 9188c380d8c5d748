"""Behavioural calibration: oracles 1 to 3 of methods.md section 9."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.dataset import Sequences
from genair_engine.training.calibration import Association, calibration_loss


def unit_vectors(m: int, dim: int = 6, seed: int = 0) -> torch.Tensor:
    vectors = torch.randn(m, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=1)


def symmetric(m: int, seed: int = 1) -> torch.Tensor:
    scores = torch.rand(m, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (scores + scores.T) / 2 * (1 - torch.eye(m))


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, math.pi])
@pytest.mark.parametrize(("t", "gamma", "s"), [(2.0, 3.0, 0.0), (2.0, 3.0, 1.0), (0.5, 1.0, 0.4)])
def test_two_vectors_at_an_angle(angle, t, gamma, s):
    vectors = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    association = torch.tensor([[0.0, s], [s, 0.0]], dtype=torch.float64)
    expected = math.exp(-gamma * s) * math.exp(-2 * t * (1 - math.cos(angle)))
    assert calibration_loss(vectors * 7, association, t, gamma).item() == pytest.approx(expected, rel=1e-9)


def test_autograd_equals_the_gradient_of_proposition_3_1():
    """∂L/∂ê_i = 2β / (m (m − 1)) · Σ_j w(i, j) e^(−2t) exp(β ê_i·ê_j) ê_j, projected off ê_i by the normalisation."""
    m, t, gamma = 7, 2.0, 3.0
    vectors, association = unit_vectors(m), symmetric(m)
    vectors.requires_grad_()
    calibration_loss(vectors, association, t, gamma).backward()
    e, beta = vectors.detach(), 2 * t
    weights = torch.exp(-gamma * association) * math.exp(-2 * t) * torch.exp(beta * e @ e.T) * (1 - torch.eye(m))
    force = 2 * beta / (m * (m - 1)) * weights @ e
    tangential = force - (force * e).sum(dim=1, keepdim=True) * e
    torch.testing.assert_close(vectors.grad, tangential)


def test_without_gamma_it_is_plain_uniformity():
    vectors = unit_vectors(9)
    distances = torch.pdist(vectors) ** 2
    expected = torch.exp(-2.0 * distances).mean()
    torch.testing.assert_close(calibration_loss(vectors, symmetric(9), 2.0, 0.0), expected)


def test_items_taken_together_repel_less():
    vectors = unit_vectors(2).requires_grad_()
    together = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    forces = []
    for association in (together * 0, together):
        (gradient,) = torch.autograd.grad(calibration_loss(vectors, association), vectors)
        forces.append(gradient.norm().item())
    assert forces[1] == pytest.approx(forces[0] * math.exp(-3.0))


def test_fewer_than_two_items_cost_nothing():
    lonely = unit_vectors(1).requires_grad_()
    loss = calibration_loss(lonely, torch.zeros(1, 1, dtype=torch.float64))
    loss.backward()
    assert loss.item() == 0 and lonely.grad.abs().max() == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 6), max_size=7), min_size=1, max_size=8))
def test_association_equals_counting_pairs(histories):
    n_items = 6
    scores = Association(Sequences.from_lists(histories), n_items).scores.toarray()
    counts = np.zeros((n_items + 1, n_items + 1))
    for history in histories:
        for a, b in itertools.combinations(history, 2):
            if a != b:
                counts[a, b] += 1
                counts[b, a] += 1
    if counts.max():
        np.testing.assert_allclose(scores, np.log1p(counts) / np.log1p(counts.max()), rtol=1e-6)
    else:
        assert scores.max(initial=0) == 0


def test_association_knows_training_interactions_only(tiny):
    """S is symmetric, 1 at its largest, without self pairs; held-out items change nothing."""
    association = Association(tiny.split.train, tiny.n_items)
    scores = association.scores.toarray()
    assert scores.max() == 1 and np.array_equal(scores, scores.T) and scores.diagonal().max() == 0
    changed = tiny.sequences.items.copy()
    for user in tiny.split.users:
        end = tiny.sequences.offsets[user + 1]
        changed[end - 2 : end] = 12
    other = type(tiny)("other", tiny.items, Sequences(changed, tiny.sequences.offsets), tiny.user_ids)
    assert np.array_equal(Association(other.split.train, other.n_items).scores.toarray(), scores)


def test_between_picks_the_submatrix(tiny):
    association = Association(tiny.split.train, tiny.n_items)
    items = torch.tensor([8, 1, 3, 12])
    expected = association.scores.toarray()[np.ix_(items, items)]
    np.testing.assert_array_equal(association.between(items).numpy(), expected)
