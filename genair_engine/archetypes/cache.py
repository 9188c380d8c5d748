"""A key-value cache that grows in chunks. transformers' DynamicCache copies all of its keys and values for every new
token, which takes more than half of the time of a small model on a CPU; here they are copied once in 64 tokens.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_CHUNK = 64  # tokens


class ChunkedLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped here
    """One layer's keys and values: `keys` and `values` are views of the filled part of larger buffers."""

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        """Appends states [b, heads, l, head_dim]; returns all keys and values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers: tuple[Tensor, ...] = (key_states[:, :, :0], value_states[:, :, :0])
        start, end = self.get_seq_length(), self.get_seq_length() + key_states.shape[2]
        if end > self._buffers[0].shape[2]:
            self._buffers = tuple(
                _grown(buffer, start, end, new) for buffer, new in zip(self._buffers, (key_states, value_states), strict=True)
            )
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = new
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keeps only these rows of the batch."""
        length = self.get_seq_length()
        self._buffers = tuple(buffer[indices] for buffer in self._buffers)
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)


def chunked_cache(config: Any) -> DynamicCache:
    """An empty cache for a model of this config. Layers with a sliding window keep transformers' own kind."""
    cache = DynamicCache(config=config)
    cache.layers = [ChunkedLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _grown(buffer: Tensor, filled: int, needed: int, like: Tensor) -> Tensor:
    """A buffer with room for `needed` tokens, in whole chunks, that holds the `filled` tokens of the old one."""
    batch, heads, _, width = like.shape
    grown = like.new_empty(batch, heads, -(-needed // _CHUNK) * _CHUNK, width)
    grown[:, :, :filled] = buffer[:, :, :filled]
    return grown
