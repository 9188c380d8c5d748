"""What no backbone may see: later items, padding, and the other sessions of a batch (oracle 5 of methods.md section 9)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.models import BERT4Rec, GRU4Rec, SASRec
from genair_engine.models.backbone import Backbone
from tests.models.equations import disturb

MAX_LEN = 9
BACKBONES = {
    "sasrec": lambda: SASRec(8, MAX_LEN, layers=2, heads=2, dropout=0.5),
    "sasrec-public": lambda: SASRec(8, MAX_LEN, layers=2, heads=2, dropout=0.5, public_code=True),
    "bert4rec": lambda: BERT4Rec(8, MAX_LEN, layers=2, heads=2, dropout=0.5),
    "bert4rec-public": lambda: BERT4Rec(8, MAX_LEN, layers=2, heads=2, dropout=0.5, public_code=True),
    "gru4rec": lambda: GRU4Rec(8, MAX_LEN, layers=2, dropout=0.5),
}
CAUSAL = ["sasrec", "gru4rec"]


def make(name: str) -> Backbone:
    torch.manual_seed(0)
    model = BACKBONES[name]().eval()
    disturb(model)
    return model


def batch(lengths: list[int], extra: int, padding: float, seed: int = 1) -> torch.Tensor:
    """[B, T, 8] sessions whose rows do not depend on the company, padded by `extra` more than needed with `padding`."""
    x = torch.full((len(lengths), max(lengths) + extra, 8), padding)
    for row, length in enumerate(lengths):
        x[row, :length] = torch.randn(length, 8, generator=torch.Generator().manual_seed(seed + row))
    return x


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("position", [0, 3, 5])
def test_a_later_item_changes_no_earlier_state(name, position):
    model = make(name)
    x, lengths = torch.randn(3, 6, 8), torch.tensor([6, 6, 6])
    changed = x.clone()
    changed[:, position] += 1.0
    before, after = model(x, lengths), model(changed, lengths)
    torch.testing.assert_close(after[:, :position], before[:, :position], rtol=0, atol=1e-6)
    assert ((after[:, position:] - before[:, position:]).abs().amax(dim=2) > 1e-6).all()


def test_without_the_causal_mask_a_later_item_is_seen():
    """What the public code's SASRec trains with: the item to be predicted is among the inputs."""
    model = make("sasrec-public")
    x, lengths = torch.randn(3, 6, 8), torch.tensor([6, 6, 6])
    changed = x.clone()
    changed[:, 4] += 1.0
    difference = (model(changed, lengths) - model(x, lengths)).abs().amax(dim=2)
    assert (difference[:, :4] > 1e-6).all()


@pytest.mark.parametrize("name", BACKBONES)
@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(1, MAX_LEN - 1), min_size=1, max_size=5),
    extra=st.integers(0, 3),
    padding=st.sampled_from([0.0, 7.0]),
    data=st.data(),
)
def test_padding_and_company_change_no_state(name, lengths, extra, padding, data):
    model = make(name)
    row = data.draw(st.integers(0, len(lengths) - 1))
    length, extra = lengths[row], min(extra, model.reads - max(lengths))
    x = batch(lengths, extra, padding)
    alone = x[row : row + 1, :length]
    with torch.no_grad():
        states, last = model(x, torch.tensor(lengths)), model.last(x, torch.tensor(lengths))
        of_one = torch.tensor([length])
        torch.testing.assert_close(states[row, :length], model(alone, of_one)[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(last[row], model.last(alone, of_one)[0], rtol=1e-4, atol=1e-5)
    assert torch.isfinite(last).all()


@pytest.mark.parametrize("name", BACKBONES)
def test_padding_receives_no_gradient_and_gives_none_to_the_items(name):
    model = make(name)
    x = batch([5, 2], 1, 3.0).requires_grad_()
    model.last(x, torch.tensor([5, 2])).square().sum().backward()
    assert x.grad[0, 5:].abs().max() == 0 and x.grad[1, 2:].abs().max() == 0
    assert (x.grad[0, :5].abs().amax(dim=1) > 0).all() and (x.grad[1, :2].abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("name", BACKBONES)
def test_sessions_of_the_greatest_length_are_read(name):
    model = make(name)
    assert model.reads == (MAX_LEN - 1 if model.cloze else MAX_LEN)
    last = model.last(batch([model.reads, 1], 0, 0.0), torch.tensor([model.reads, 1]))
    assert last.shape == (2, 8) and torch.isfinite(last).all()


@pytest.mark.parametrize("name", BACKBONES)
def test_no_sessions_give_no_states(name):
    """Of a last batch with fewer histories than processes, a process has no share."""
    model = make(name)
    masked = torch.zeros(0, 4, dtype=torch.bool) if model.cloze else None
    assert model(torch.zeros(0, 4, 8), torch.zeros(0, dtype=torch.int64), masked).shape == (0, 4, 8)


@pytest.mark.parametrize("name", BACKBONES)
def test_dropout_works_in_training_only(name):
    model = make(name)
    x, lengths = batch([5, 2], 0, 0.0), torch.tensor([5, 2])
    assert torch.equal(model(x, lengths), model(x, lengths))
    model.train()
    assert not torch.equal(model(x, lengths)[0, :2], model(x, lengths)[0, :2])


@pytest.mark.parametrize("name", BACKBONES)
def test_order_matters(name):
    """Positions, or the recurrence, are at work: the same items in another order predict something else."""
    model = make(name)
    x, lengths = batch([6], 0, 0.0), torch.tensor([6])
    turned = x[:, np.r_[1, 0, 2:6]]
    assert (model.last(x, lengths) - model.last(turned, lengths)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["sasrec", "bert4rec"])
def test_compiled_equals_eager(name):
    """`compile(dynamic=True)`, as the trainer does on a GPU: batches of several shapes, and the names of weights stay.

    Without the generation of machine code, which takes a minute: what is tested is that tracing keeps the meaning. (A GRU
    is one kernel already and is not traced.)
    """
    model, compiled = make(name), make(name)
    for backbone in (model, compiled):
        del backbone.blocks[1:]
    compiled.compile(dynamic=True, backend="eager")
    for lengths in ([5, 2, 3], [8, 4], [1]):
        x, of_each = batch(lengths, 0, 0.0), torch.tensor(lengths)
        torch.testing.assert_close(compiled.last(x, of_each), model.last(x, of_each), rtol=1e-4, atol=1e-5)
    assert set(compiled.state_dict()) == set(model.state_dict())
    torch.compiler.reset()
