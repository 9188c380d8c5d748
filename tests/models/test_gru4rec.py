"""GRU4Rec against the GRU's equations."""

import numpy as np
import pytest
import torch

from genair_engine.models import GRU4Rec
from tests.models.equations import gru, weights_of


@pytest.mark.parametrize("layers", [1, 2])
def test_equals_the_equations(layers):
    torch.manual_seed(0)
    model = GRU4Rec(dim=8, layers=layers, dropout=0.5, max_len=9).eval()
    sessions, lengths = torch.randn(3, 6, 8), [6, 1, 4]
    states, last = model(sessions, torch.tensor(lengths)).detach(), model.last(sessions, torch.tensor(lengths)).detach()
    for row, length in enumerate(lengths):
        expected = gru(sessions[row, :length].double().numpy(), weights_of(model), layers)
        np.testing.assert_allclose(states[row, :length], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(last[row], expected[-1], rtol=1e-4, atol=1e-5)


def test_it_has_no_biases():
    """As in the public code: 2 · 3d² weights a layer and nothing else."""
    assert sum(parameter.numel() for parameter in GRU4Rec(dim=8, layers=2).parameters()) == 2 * 2 * 3 * 8 * 8
