"""Attention of one token a row over its own keys: the same as PyTorch's, and PyTorch's where it does not fit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from genair_engine.archetypes import attention

NO_MODULE = torch.nn.Identity()


def states(seed: int, rows: int, heads: int, key_heads: int, columns: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """A query a row, and keys and values as the cache shows them: some columns of larger buffers."""
    generator = torch.Generator().manual_seed(seed)
    buffers = [torch.randn(rows, key_heads, columns + 9, width, generator=generator) for _ in range(2)]
    key, value = (buffer[:, :, 4 : 4 + columns] for buffer in buffers)
    return torch.randn(rows, 1, heads, width, generator=generator).transpose(1, 2), key, value


def grouped(heads: int, key_heads: int) -> torch.nn.Module:
    module = torch.nn.Identity()
    module.num_key_value_groups = heads // key_heads
    return module


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(2, 6),
    key_heads=st.integers(1, 3),
    group=st.integers(1, 3),
    columns=st.integers(1, 40),
    width=st.sampled_from([2, 8, 20, 64]),
    scaling=st.sampled_from([None, 0.3]),
    window=st.integers(1, 50),
)
def test_as_pytorch_computes_it(seed, rows, key_heads, group, columns, width, scaling, window):
    query, key, value = states(seed, rows, key_heads * group, key_heads, columns, width)
    lengths = torch.randint(1, columns + 1, (rows, 1), generator=torch.Generator().manual_seed(seed))
    place = torch.arange(columns, 0, -1)
    mask = (place <= lengths.clamp(max=window))[:, None, None]
    assert attention._fits(query, key, value, mask, {})
    module = grouped(key_heads * group, key_heads)
    attended, _ = attention.attend(module, query, key, value, mask, scaling=scaling)
    expected, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=scaling)
    torch.testing.assert_close(attended, expected, atol=2e-6, rtol=2e-5)


def test_what_is_masked_is_not_read():
    query, key, value = states(0, 3, 2, 2, 6, 8)
    mask = torch.ones(3, 1, 1, 6, dtype=torch.bool)
    mask[1, :, :, :4] = False
    expected, _ = attention.attend(NO_MODULE, query, key, value, mask)
    key[1, :, :4], value[1, :, :4] = torch.nan, torch.nan
    attended, _ = attention.attend(NO_MODULE, query, key, value, mask)
    assert torch.equal(attended, expected)


def test_a_broken_row_breaks_no_other():
    query, key, value = states(0, 3, 2, 2, 6, 8)
    mask = torch.ones(3, 1, 1, 6, dtype=torch.bool)
    expected, _ = attention.attend(NO_MODULE, query, key, value, mask)
    key[1] = torch.nan
    attended, _ = attention.attend(NO_MODULE, query, key, value, mask)
    assert torch.equal(attended[[0, 2]], expected[[0, 2]]) and attended[1].isnan().all()


@pytest.mark.parametrize(
    "change",
    [
        lambda q, k, v, m: (q[:1], k[:1], v[:1], m[:1], {}),
        lambda q, k, v, m: (q, k, v, None, {}),
        lambda q, k, v, m: (q, k, v, torch.zeros(m.shape).masked_fill(~m, -1e9), {}),
        lambda q, k, v, m: (q, k, v, m.expand(-1, q.shape[1], -1, -1).contiguous(), {}),
        lambda q, k, v, m: (q.bfloat16(), k.bfloat16(), v.bfloat16(), m, {}),
        lambda q, k, v, m: (q, k, v[..., :4], m, {}),
        lambda q, k, v, m: (q, k.transpose(2, 3).contiguous().transpose(2, 3), v, m, {}),
        lambda q, k, v, m: (q, k, v, m, {"position_bias": torch.randn(1, 2, 1, 6)}),
    ],
    ids=["one row", "no mask", "float mask", "mask a head", "bfloat16", "narrow values", "other layout", "position bias"],
)
def test_what_does_not_fit_is_pytorchs(change):
    query, key, value = states(0, 3, 2, 2, 6, 8)
    mask = torch.rand(3, 1, 1, 6, generator=torch.Generator().manual_seed(0)) < 0.7
    mask[..., -1] = True
    *given, options = change(query, key, value, mask)
    assert not attention._fits(*given, options)
    attended, _ = attention.attend(NO_MODULE, *given, **options)
    assert torch.equal(attended, sdpa_attention_forward(NO_MODULE, *given, **options)[0])


def test_only_models_that_use_pytorchs_kernel_on_a_cpu_are_changed():
    config = LlamaConfig(
        vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1
    )
    for before, after in (("sdpa", attention.NAME), ("eager", "eager")):
        model = LlamaForCausalLM._from_config(config, attn_implementation=before)
        attention.use_own_keys(model)
        assert model.config._attn_implementation == after
    elsewhere = SimpleNamespace(device=torch.device("cuda"), config=SimpleNamespace(_attn_implementation="sdpa"))
    attention.use_own_keys(elsewhere)  # has no `set_attn_implementation`: nothing was asked of it
