"""Ranking losses against their formulas, and padding that never competes."""

import math

import pytest
import torch

from genair_engine.training import losses

STATES = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
POSITIVES = torch.tensor([[0.3, 0.1], [1.0, 1.0]])
NEGATIVES = torch.tensor([[-1.0, 0.2], [0.0, 2.0]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_bpr():
    positive, negative = [0.5, -0.5], [-0.6, -2.0]
    expected = -sum(math.log(sigmoid(p - n)) for p, n in zip(positive, negative, strict=True)) / 2
    assert losses.bpr(STATES, POSITIVES, NEGATIVES).item() == pytest.approx(expected, rel=1e-5)


def test_bce():
    positive, negative = [0.5, -0.5], [-0.6, -2.0]
    expected = sum(-math.log(sigmoid(p)) - math.log(1 - sigmoid(n)) for p, n in zip(positive, negative, strict=True)) / 2
    assert losses.bce(STATES, POSITIVES, NEGATIVES).item() == pytest.approx(expected, rel=1e-5)


def test_softmax_ignores_padding():
    table = torch.tensor([[100.0, 100.0], [0.3, 0.1], [1.0, 1.0], [-1.0, 0.2]])  # row 0 would win every softmax
    targets = torch.tensor([1, 2])
    scores = (STATES @ table[1:].T).double()
    expected = -torch.log_softmax(scores, dim=1)[[0, 1], [0, 1]].mean()
    assert losses.softmax(STATES, table, targets).item() == pytest.approx(expected.item(), rel=1e-5)


def test_extreme_scores_stay_finite():
    states, vectors = torch.full((1, 2), 1e4), torch.full((1, 2), 1e4)
    assert torch.isfinite(losses.bpr(states, -vectors, vectors)) and torch.isfinite(losses.bce(states, -vectors, vectors))
