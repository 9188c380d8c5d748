"""SASRec against an independent reference, and what it must not see (oracle 5 of methods.md section 9)."""

import math

import pytest
import torch
import torch.nn.functional as F

from genair_engine.models import SASRec


@pytest.fixture
def model() -> SASRec:
    torch.manual_seed(0)
    model = SASRec(dim=8, layers=2, heads=2, dropout=0.5, max_len=9).eval()
    with torch.no_grad():  # biases and norms that matter
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def run(model: SASRec, x: torch.Tensor) -> torch.Tensor:
    return model(x, torch.full((len(x),), x.shape[1]))


def sessions(batch: int = 3, width: int = 6, dim: int = 8) -> torch.Tensor:
    return torch.randn(batch, width, dim, generator=torch.Generator().manual_seed(1))


def reference(model: SASRec, x: torch.Tensor) -> torch.Tensor:
    """The equations of methods.md 2.1 for one session, position by position, head by head."""
    T, D = x.shape
    x = x * math.sqrt(D) + model.positions.weight[:T]
    for block in model.blocks:
        q = F.layer_norm(x, (D,), block.query_norm.weight, block.query_norm.bias, 1e-8)
        wk, wv = block.key_value.weight.chunk(2)
        bk, bv = block.key_value.bias.chunk(2)
        Q, K, V = q @ block.query.weight.T + block.query.bias, x @ wk.T + bk, x @ wv.T + bv
        size = D // block.heads
        rows = []
        for t in range(T):
            heads = []
            for h in range(block.heads):
                part = slice(h * size, (h + 1) * size)
                weights = torch.softmax(K[: t + 1, part] @ Q[t, part] / math.sqrt(size), dim=0)
                heads.append(weights @ V[: t + 1, part])
            rows.append(torch.cat(heads) @ block.output.weight.T + block.output.bias)
        h = F.layer_norm(q + torch.stack(rows), (D,), block.forward_norm.weight, block.forward_norm.bias, 1e-8)
        first, second = block.feed_forward[0], block.feed_forward[3]
        x = h + torch.relu(h @ first.weight.T + first.bias) @ second.weight.T + second.bias
    return F.layer_norm(x, (D,), model.norm.weight, model.norm.bias, 1e-8)


def test_equals_the_equations(model):
    x = sessions()
    expected = torch.stack([reference(model, one) for one in x])
    torch.testing.assert_close(run(model, x), expected, rtol=1e-4, atol=1e-5)


def test_a_later_item_changes_no_earlier_state(model):
    x = sessions()
    changed = x.clone()
    changed[:, 4] += 1.0
    before, after = run(model, x), run(model, changed)
    torch.testing.assert_close(after[:, :4], before[:, :4])
    assert (after[:, 4:] - before[:, 4:]).abs().min(dim=2).values.max() > 0


def test_padding_and_company_change_no_state(model):
    x = sessions()
    alone = run(model, x[:1, :4])
    padded = torch.cat([x[:1, :4], torch.zeros(1, 5, 8)], dim=1)
    torch.testing.assert_close(run(model, padded)[:, :4], alone)
    company = x.clone()
    company[0, 4:] = 0
    torch.testing.assert_close(run(model, company)[:1, :4], alone)


def test_dropout_works_in_training_only(model):
    x = sessions()
    assert torch.equal(run(model, x), run(model, x))
    model.train()
    assert not torch.equal(run(model, x), run(model, x))
