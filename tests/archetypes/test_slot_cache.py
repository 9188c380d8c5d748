"""The cache of a batch whose rows come and go: it holds what transformers' own would, row by row."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, Qwen2Config, Qwen2ForCausalLM, Qwen3NextConfig

from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.cache import SlotCache, SlotLayer
from genair_engine.archetypes.decoding import Decoder
from genair_engine.errors import ModelError

CONFIG = LlamaConfig(num_hidden_layers=2)
HEADS, WIDTH = 3, 8


def states(generator: torch.Generator, rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, HEADS, columns, WIDTH, generator=generator)


def prompts(generator: torch.Generator, rows: int, columns: int) -> SlotCache:
    cache = SlotCache(CONFIG)
    for layer in cache.layers:
        layer.update(states(generator, rows, columns), states(generator, rows, columns))
    return cache


def test_rows_hold_what_was_put_into_them() -> None:
    """Against a list of tensors a row: prompts come, tokens follow, columns are given up, rows are taken over and dropped."""
    generator = torch.Generator().manual_seed(0)
    first = prompts(generator, 4, 50)
    cache = SlotCache(CONFIG)
    cache.reserve(4, first)
    cache.place(torch.arange(4), first)
    rows = [[layer.keys[row] for layer in first.layers] for row in range(4)]
    for step in range(300):
        if step in (40, 41, 130):  # a row begins anew, with a shorter prompt than what is there
            row, new = step % 4, prompts(generator, 1, 30)
            cache.place(torch.tensor([row]), new)
            rows[row] = [layer.keys[0] for layer in new.layers]
        if step == 200:
            cache.batch_select_indices(torch.tensor([1, 3]))
            rows = [rows[1], rows[3]]
        cache.keep_columns(max(layers[0].shape[1] for layers in rows))
        for number, layer in enumerate(cache.layers):
            token = states(generator, len(rows), 1)
            keys, _ = layer.update(token, token)
            for row, held in enumerate(rows):
                held[number] = torch.cat((held[number], token[row]), dim=1)
                length = held[number].shape[1]
                assert torch.equal(keys[row, :, -length:], held[number])
                assert torch.isfinite(keys[row]).all()
        width = max(layers[0].shape[1] for layers in rows)
        assert cache.get_seq_length() == width
        assert cache.layers[0]._buffers[0].shape[2] <= width + 2 * 64


def test_it_does_not_copy_for_every_token() -> None:
    generator = torch.Generator().manual_seed(0)
    first = prompts(generator, 2, 10)
    cache = SlotCache(CONFIG)
    cache.reserve(2, first)
    places = set()
    for _ in range(64):
        keys, _ = cache.layers[0].update(states(generator, 2, 1), states(generator, 2, 1))
        places.add(keys.untyped_storage().data_ptr())
    assert len(places) == 1


def test_what_a_broken_row_leaves_is_gone() -> None:
    generator = torch.Generator().manual_seed(0)
    first = prompts(generator, 2, 10)
    cache = SlotCache(CONFIG)
    cache.reserve(2, first)
    for layer in cache.layers:
        layer.keys.fill_(torch.nan)
    cache.place(torch.tensor([0]), prompts(generator, 1, 4))
    layer = cache.layers[0]
    assert isinstance(layer, SlotLayer)
    assert torch.isfinite(layer.keys[0]).all() and torch.isnan(layer.keys[1]).all()


def test_a_sliding_window_is_the_mask_s_business() -> None:
    """Layers with a window of 16 against one full forward, over prompts and answers that are longer."""
    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        use_sliding_window=True,
        sliding_window=16,
        max_window_layers=1,
        initializer_range=0.5,
    )
    model = Qwen2ForCausalLM(config).eval()
    ids = torch.randint(50, (3, 40))
    asked = [ids[0].tolist(), ids[1, :9].tolist(), ids[2, :25].tolist()]
    decoding = Decoder(model, []).start(asked, [30, 30, 30], [1, 2, 3], Sampling(), 2)
    answers = {}
    while not decoding.finished:
        answers |= dict(decoding.step())
    for prompt, answer in ((asked[i], answers[i]) for i in range(3)):
        with torch.no_grad():
            full = model(torch.tensor([prompt + answer.tokens]), output_hidden_states=True).hidden_states[-1][0]
        torch.testing.assert_close(torch.from_numpy(answer.prefill), full[: len(prompt)].mean(0), atol=1e-5, rtol=0)
        torch.testing.assert_close(torch.from_numpy(answer.decoding), full[len(prompt) :].mean(0), atol=1e-5, rtol=0)


def test_other_memory_is_refused() -> None:
    with pytest.raises(ModelError, match="other memory than keys and values"):
        SlotCache(Qwen3NextConfig(num_hidden_layers=4))
