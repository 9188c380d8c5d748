"""Behavioural calibration: oracles 1 and 2 of methods.md section 9."""

import itertools
import math

import numpy as np
import pytest
import torch

from genair_engine.catalog.sequences import Sequences
from genair_engine.losses.base import Step
from genair_engine.losses.extra.association import Association
from genair_engine.losses.extra.calibration import (
    CalibrationLoss,
    LinearCalibrationLoss,
    calibration_loss,
    linear_calibration_loss,
    sample_at_most,
)
from genair_engine.models.batch import Batch


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


def test_its_gradient_is_that_of_its_value():
    vectors, association = torch.randn(6, 4, dtype=torch.float64, requires_grad=True), symmetric(6)
    assert torch.autograd.gradcheck(lambda x: 3 * calibration_loss(x, association, 1.5, 2.0), vectors)


def test_half_precision_around_it_changes_nothing():
    vectors, association = torch.randn(9, 16), symmetric(9).float()
    expected = calibration_loss(vectors, association)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(calibration_loss(vectors, association), expected, rtol=1e-6, atol=0)


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


@pytest.mark.parametrize("gamma", [0.0, 4.0])
def test_linear_kernel_is_the_public_codes_mean_over_targets_with_duplicates(gamma):
    items = torch.tensor([3, 0, 3, 5, 1, 0, 3, 2, 4])  # positive targets of a batch, as places in `vectors`
    vectors, association = torch.randn(6, 4, dtype=torch.float64) * 3, symmetric(6)
    vectors.requires_grad_()
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    terms = [
        torch.exp(-gamma * association[a, b]) * ((unit[a] - unit[b]) ** 2).sum()
        for a, b in itertools.combinations(items.tolist(), 2)
    ]
    expected = -torch.stack(terms).mean()
    loss = linear_calibration_loss(vectors, association, torch.bincount(items), gamma)
    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(value, vectors)[0] for value in (loss, expected)]
    torch.testing.assert_close(*gradients)


def test_linear_kernel_of_one_item_is_zero():
    for times in (1, 5):
        loss = linear_calibration_loss(torch.ones(1, 4), torch.zeros(1, 1), torch.tensor([times]))
        assert loss.item() == pytest.approx(0, abs=1e-6)


def test_a_sample_of_the_items_gives_an_unbiased_loss():
    items, vectors, association = torch.arange(20), unit_vectors(20), symmetric(20)
    generator = torch.Generator().manual_seed(3)
    draws = []
    for _ in range(3000):
        kept = sample_at_most(items, 5, generator)
        assert len(kept.unique()) == 5
        draws.append(calibration_loss(vectors[kept], association[kept][:, kept]).item())
    error = np.std(draws) / math.sqrt(len(draws))
    assert abs(np.mean(draws) - calibration_loss(vectors, association).item()) < 4 * error
    assert torch.equal(sample_at_most(items, 20), items)


def test_a_sample_follows_torchs_seed():
    items = torch.arange(100) * 2
    samples = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        samples.append(sample_at_most(items, 10))
    assert torch.equal(samples[0], samples[1]) and not torch.equal(samples[0], samples[2])
    assert torch.isin(samples[0], items).all()


def test_the_losses_of_a_step_are_over_the_targets_of_the_whole_batch():
    """All distinct ones under the exponential kernel, at most so many where capped; with duplicates under the linear one."""
    association = Association(Sequences.from_lists([[1, 2], [2, 3, 1], [4, 5]]), 5)
    table = torch.cat([torch.zeros(1, 4), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))])
    order = torch.tensor([0, 5, 3, 1, 2, 4])  # where an item stands in the step's table
    targets, nothing = torch.tensor([3, 1, 3, 5]), torch.zeros(0, dtype=torch.int64)
    batch = Batch(nothing, nothing.view(0, 1), nothing, nothing.view(0, 1))
    step = Step(batch, table[:0], nothing, nothing, nothing, nothing, table[order.argsort()], order, targets)
    distinct = torch.tensor([1, 3, 5])
    scores, vectors = association.between(distinct), table[distinct]

    loss = CalibrationLoss(association, 0.3, t=1.5, gamma=2.0, most_items=9)
    assert (loss.name, loss.weight) == ("calibration", 0.3)
    torch.testing.assert_close(loss(step), calibration_loss(vectors, scores, 1.5, 2.0))
    linear = LinearCalibrationLoss(association, 0.3, gamma=2.0)
    torch.testing.assert_close(linear(step), linear_calibration_loss(vectors, scores, torch.tensor([1, 2, 1]), 2.0))
    pairs = [calibration_loss(vectors[[a, b]], scores[[a, b]][:, [a, b]], 1.5, 2.0) for a, b in [(0, 1), (0, 2), (1, 2)]]
    capped = CalibrationLoss(association, 0.3, t=1.5, gamma=2.0, most_items=2)(step)
    assert any(torch.isclose(capped, pair) for pair in pairs)
