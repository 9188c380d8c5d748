"""The chunked cache holds what transformers' own cache would."""

from __future__ import annotations

import torch
from transformers import DynamicCache, LlamaConfig, Qwen2Config
from transformers.cache_utils import DynamicLayer

from genair_engine.archetypes.cache import ChunkedLayer, chunked_cache

CONFIG = LlamaConfig(num_hidden_layers=2)


def test_it_equals_the_dynamic_cache_through_growth_and_selection() -> None:
    chunked, plain = chunked_cache(CONFIG), DynamicCache(config=CONFIG)
    assert all(type(layer) is ChunkedLayer for layer in chunked.layers)
    generator = torch.Generator().manual_seed(0)
    rows = 4
    for step, length in enumerate([50, *[1] * 100]):
        if step in (10, 70):  # before and after the buffers have grown
            keep = torch.tensor([0, rows - 1])
            chunked.batch_select_indices(keep)
            plain.batch_select_indices(keep)
            rows = 2
        for layer in range(2):
            keys, values = torch.randn(2, rows, 3, length, 8, generator=generator)
            for got, expected in zip(chunked.update(keys, values, layer), plain.update(keys, values, layer), strict=True):
                assert torch.equal(got, expected)
        assert chunked.get_seq_length() == plain.get_seq_length()


def test_it_does_not_copy_for_every_token() -> None:
    layer = ChunkedLayer()
    layer.update(torch.zeros(1, 1, 10, 4), torch.zeros(1, 1, 10, 4))
    places = set()
    for _ in range(54):
        keys, _ = layer.update(torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4))
        places.add(keys.data_ptr())
    assert len(places) == 1


def test_sliding_windows_keep_their_own_layers() -> None:
    config = Qwen2Config(num_hidden_layers=2, use_sliding_window=True, sliding_window=16, max_window_layers=1)
    kinds = [type(layer) for layer in chunked_cache(config).layers]
    assert kinds[0] is ChunkedLayer and kinds[1] is not ChunkedLayer and issubclass(kinds[1], DynamicLayer)
