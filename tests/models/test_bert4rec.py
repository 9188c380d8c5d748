"""BERT4Rec against its equations: both directions, the mask token, and a prediction read behind the session."""

import numpy as np
import pytest
import torch

from genair_engine.models import BERT4Rec
from tests.models.equations import disturb, transformer, weights_of

LENGTHS = [6, 1, 4]
MASKED = [[0, 3, 5], [0], []]


@pytest.fixture
def sessions() -> torch.Tensor:
    return torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(1))


def make(heads: int = 2, public_code: bool = False, max_len: int = 9) -> BERT4Rec:
    torch.manual_seed(0)
    model = BERT4Rec(dim=8, layers=2, heads=heads, dropout=0.5, max_len=max_len, public_code=public_code).eval()
    disturb(model)
    return model


@pytest.mark.parametrize("public_code", [False, True])
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_the_equations(sessions, heads, public_code):
    model = make(heads, public_code)
    slots = 9 if public_code else None
    masked = torch.zeros(3, 6, dtype=torch.bool)
    for row, positions in enumerate(MASKED):
        masked[row, positions] = True
    states = model(sessions, torch.tensor(LENGTHS), masked).detach()
    for row, length in enumerate(LENGTHS):
        items = sessions[row, :length].double().numpy()
        expected = transformer(items, weights_of(model), heads, False, MASKED[row], slots)
        np.testing.assert_allclose(states[row, :length], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("public_code", [False, True])
def test_a_prediction_is_the_state_of_a_mask_token_behind_the_session(sessions, public_code):
    model = make(public_code=public_code)
    last = model.last(sessions, torch.tensor(LENGTHS)).detach()
    for row, length in enumerate(LENGTHS):
        items = np.vstack([sessions[row, :length].double().numpy(), np.full((1, 8), np.nan)])  # the mask token's place
        expected = transformer(items, weights_of(model), 2, False, [length], 9 if public_code else None)
        np.testing.assert_allclose(last[row], expected[-1], rtol=1e-4, atol=1e-5)


def test_what_stood_under_the_mask_is_not_seen(sessions):
    model = make()
    masked = torch.zeros(3, 6, dtype=torch.bool)
    masked[:, 2] = True
    other = sessions.clone()
    other[:, 2] = 100.0
    lengths = torch.tensor([6, 6, 6])
    assert torch.equal(model(sessions, lengths, masked), model(other, lengths, masked))
    assert not torch.equal(model(sessions, lengths), model(other, lengths))


def test_every_item_reaches_every_state(sessions):
    model = make()
    lengths = torch.tensor([6, 6, 6])
    before = model(sessions, lengths)
    for position in range(6):
        changed = sessions.clone()
        changed[:, position] += 1.0
        assert ((model(changed, lengths) - before).abs().amax(dim=2) > 1e-6).all()


def test_a_longest_session_is_predicted_on_positions_that_training_uses(sessions):
    """The session gives up one item for the mask token, whose position is the last one that a training row can hold."""
    model = make(max_len=6)
    assert model.reads == 5
    x = sessions[:, : model.reads].requires_grad_()
    model.last(x, torch.tensor([5, 5, 5])).square().sum().backward()
    assert (model.positions.weight.grad.abs().amax(dim=1) > 0).all()  # all six, and there is no seventh
    model.zero_grad()
    model(sessions.detach(), torch.tensor([6, 6, 6])).square().sum().backward()
    assert (model.positions.weight.grad.abs().amax(dim=1) > 0).all()
