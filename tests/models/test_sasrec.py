"""SASRec against its equations, with the causal mask and as the public code runs it."""

import numpy as np
import pytest
import torch

from genair_engine.models import SASRec
from tests.models.equations import disturb, transformer, weights_of

LENGTHS = [6, 1, 4]


@pytest.fixture
def sessions() -> torch.Tensor:
    return torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(1))


def make(heads: int, public_code: bool) -> SASRec:
    torch.manual_seed(0)
    model = SASRec(dim=8, layers=2, heads=heads, dropout=0.5, max_len=9, public_code=public_code).eval()
    disturb(model)
    return model


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_equals_the_equations(sessions, heads):
    model = make(heads, public_code=False)
    states = model(sessions, torch.tensor(LENGTHS)).detach()
    for row, length in enumerate(LENGTHS):
        expected = transformer(sessions[row, :length].double().numpy(), weights_of(model), heads, causal=True)
        np.testing.assert_allclose(states[row, :length], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("heads", [1, 2])
def test_public_code_equals_a_session_in_a_fixed_number_of_slots(sessions, heads):
    """One key that stands for all padding is exactly the public code's softmax over zeroed slots, without any mask."""
    model = make(heads, public_code=True)
    states = model(sessions, torch.tensor(LENGTHS)).detach()
    last = model.last(sessions, torch.tensor(LENGTHS)).detach()
    for row, length in enumerate(LENGTHS):
        items = sessions[row, :length].double().numpy()
        expected = transformer(items, weights_of(model), heads, causal=False, slots_of_public_code=9)
        np.testing.assert_allclose(states[row, :length], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(last[row], expected[-1], rtol=1e-4, atol=1e-5)


def test_public_code_fills_all_slots_with_a_longest_session(sessions):
    """No padding is left: the key that stands for it has no weight, and no NaN comes of ln 0."""
    model = make(2, public_code=True)
    x = torch.cat([sessions, sessions[:, :3]], dim=1)
    states = model(x, torch.tensor([9, 9, 9])).detach()
    expected = transformer(x[1].double().numpy(), weights_of(model), 2, causal=False, slots_of_public_code=9)
    np.testing.assert_allclose(states[1], expected, rtol=1e-4, atol=1e-5)
