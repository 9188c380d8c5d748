"""Parameters and FLOPs against formulas written down by hand, a multiply-add being 2 FLOPs."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from genair_engine.errors import InputError
from genair_engine.methods.config import RunConfig
from genair_engine.training.efficiency import inference_flops, trainable_parameters
from tests.methods import building

ITEMS, WIDTH = 50, 12


def build(**options):
    return building.built(RunConfig.of(**({"dim": 16, "max_len": 9} | options)), ITEMS, WIDTH)


def block(length, dim):
    """Query, key, value, output and two feed-forward layers: six d × d products a position; q·k and p·v: 2 L² d each."""
    return 6 * 2 * length * dim**2 + 2 * 2 * length**2 * dim


@pytest.mark.parametrize(("dim", "max_len", "length", "layers", "heads"), [(16, 9, 5, 2, 2), (128, 200, 200, 2, 1)])
def test_sasrec(dim, max_len, length, layers, heads):
    model = build(backbone="sasrec", method="id", dim=dim, max_len=max_len, layers=layers, heads=heads)
    flops = inference_flops(model, length)
    assert flops.session == layers * block(length, dim) + 2 * dim * ITEMS
    assert (flops.table, flops.length) == (0, length)


@pytest.mark.parametrize(("dim", "max_len", "length"), [(16, 9, 5), (128, 200, 199)])
def test_bert4rec_reads_a_mask_token_too(dim, max_len, length):
    model = build(backbone="bert4rec", method="id", dim=dim, max_len=max_len, layers=3)
    assert inference_flops(model, length).session == 3 * block(length + 1, dim) + 2 * dim * ITEMS
    assert inference_flops(model).length == model.reads == max_len - 1


@pytest.mark.parametrize(("dim", "max_len", "length", "layers"), [(16, 9, 5, 2), (128, 200, 200, 1)])
def test_gru4rec(dim, max_len, length, layers):
    """Three gates, each a product with the input and one with the state."""
    model = build(backbone="gru4rec", method="id", dim=dim, max_len=max_len, layers=layers)
    assert inference_flops(model, length).session == layers * length * 3 * 2 * 2 * dim**2 + 2 * dim * ITEMS


@pytest.mark.parametrize("method", ["genair", "genair-id", "llminit"])
def test_the_table_is_projected_once(method):
    model = build(method=method, dim=8)
    flops = inference_flops(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.items.all_vectors()
    assert flops.table == counter.get_total_flops()
    projected = 2 * ITEMS * (WIDTH * 256 + 256 * 8)
    assert flops.table == (0 if method == "llminit" else projected)


def test_trainable_parameters():
    """A frozen representation is not trained; SASRec at d = 128 as methods.md 3.5 (19) counts it, plus our norms."""
    genair, identity = build(method="genair", dim=16), build(method="id", dim=16)
    projector = WIDTH * 256 + 256 + 2 * 256 + 256 * 16 + 16
    backbone = trainable_parameters(genair.backbone)
    assert trainable_parameters(genair) == backbone + projector
    assert trainable_parameters(identity) == backbone + (ITEMS + 1) * 16
    per_block = 6 * (16**2 + 16) + 2 * 2 * 16
    assert backbone == 9 * 16 + 2 * per_block + 2 * 16


def test_the_model_stays_as_it_was():
    model = build(method="genair", dropout=0.5).train()
    inference_flops(model)
    assert model.training and model.backbone.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("length", [0, 10])
def test_a_length_that_the_model_does_not_read(length):
    with pytest.raises(InputError, match="reads 1 to 9 items"):
        inference_flops(build(), length)
