"""The key-value cache of a batch whose rows come and go.

All rows end at the same column, so that one mask and one product serve the whole batch; a row that is shorter than the
longest begins further right. A prompt that takes a finished row's place is written over it in place. Columns on the left that
no row needs any more leave the view, and their room is used again: memory follows the longest row that is still being
written, never the number of answers. transformers' own cache copies all of its keys and values for every new token, which
takes more than half of the time of a small model on a CPU; here they are copied once in 64 tokens.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from genair_engine.errors import ModelError

_CHUNK = 64  # columns


class SlotLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped here
    """One layer's keys and values [rows, heads, columns, head_dim]: views of the columns in use of larger buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: tuple[Tensor, ...] = ()
        self._begin = self._end = 0  # the columns in use

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        """Appends states [rows, heads, l, head_dim]; returns all keys and values in use."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = (key_states, value_states)  # a prompt's own: usually read once, and then placed elsewhere
            return self._show(0, key_states.shape[2])
        self._make_room(key_states.shape[2])
        end = self._end + key_states.shape[2]
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, self._end : end] = new
        return self._show(self._begin, end)

    def reserve(self, rows: int, like: SlotLayer) -> None:
        """Becomes an empty layer of so many rows, as many columns in use as `like` has, and room for more."""
        self.lazy_initialization(like.keys, like.values)
        columns = like.keys.shape[2]
        self._buffers = tuple(
            states.new_zeros(rows, states.shape[1], columns + _CHUNK, states.shape[3]) for states in (like.keys, like.values)
        )
        self._show(0, columns)

    def place(self, rows: Tensor, prompts: SlotLayer) -> None:
        """Puts prompts, which are no longer than what is in use, at the end of these rows; nothing else of them is left."""
        start = self._end - prompts.keys.shape[2]
        for buffer, new in zip(self._buffers, (prompts.keys, prompts.values), strict=True):
            buffer[rows, :, self._begin : start] = 0  # masked, but NaN of a broken row would come through a mask
            buffer[rows, :, start : self._end] = new

    def keep_columns(self, columns: int) -> None:
        """Only the last so many stay in use."""
        self._show(max(self._begin, self._end - columns), self._end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keeps only these rows, and no more room than they need."""
        self._buffers = (self.keys[indices], self.values[indices])
        self._show(0, self._end - self._begin)

    def _make_room(self, more: int) -> None:
        """Room for `more` columns at the end: where enough was given up at the beginning there, else in larger buffers."""
        used = self._end - self._begin
        if self._end + more <= self._buffers[0].shape[2]:
            return
        if self._begin >= max(more, _CHUNK // 2):
            for buffer in self._buffers:
                _shift(buffer, self._begin, used)
        else:  # one after the other, and the old one is gone before the next is copied
            del self.keys, self.values
            keys, values = self._buffers
            self._buffers = ()
            keys = _grown(keys[:, :, self._begin : self._end], more)
            self._buffers = (keys, _grown(values[:, :, self._begin : self._end], more))
        self._begin, self._end = 0, used

    def _show(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        self._begin, self._end = begin, end
        self.keys, self.values = (buffer[:, :, begin:end] for buffer in self._buffers)
        return self.keys, self.values


class SlotCache(Cache):  # type: ignore[misc]
    """An empty cache for a model of this config.

    A layer with a sliding window keeps all columns, too: the model's mask hides what is out of its window. Raises ModelError
    for models that keep other memory than keys and values.
    """

    def __init__(self, config: Any) -> None:
        plain = [type(layer) for layer in DynamicCache(config=config).layers]
        others = {kind.__name__ for kind in plain if kind not in (DynamicLayer, DynamicSlidingWindowLayer)}
        if others:
            raise ModelError(f"This model keeps other memory than keys and values ({', '.join(sorted(others))}).")
        super().__init__(layers=[SlotLayer() for _ in plain])

    def reserve(self, rows: int, like: SlotCache) -> None:
        """An empty cache of so many rows, as wide as `like`."""
        for layer, other in zip(self.layers, like.layers, strict=True):
            layer.reserve(rows, other)

    def place(self, rows: Tensor, prompts: SlotCache) -> None:
        """Gives the rows to prompts that were read with a cache of their own, in their order."""
        for layer, other in zip(self.layers, prompts.layers, strict=True):
            layer.place(rows, other)

    def keep_columns(self, columns: int) -> None:
        """Gives up what is left of the last so many columns."""
        for layer in self.layers:
            layer.keep_columns(columns)


def _shift(buffer: Tensor, begin: int, used: int) -> None:
    """Moves `used` columns to the buffer's beginning: pieces that do not overlap what they replace, so that nothing is copied
    twice."""
    for start in range(0, used, begin):
        stop = min(start + begin, used)
        buffer[:, :, start:stop] = buffer[:, :, begin + start : begin + stop]


def _grown(used: Tensor, more: int) -> Tensor:
    """A buffer that begins with the columns of `used` and has room for more, in whole chunks."""
    rows, heads, columns, width = used.shape
    grown = used.new_empty(rows, heads, -(-(columns + more) // _CHUNK) * _CHUNK, width)
    grown[:, :, :columns] = used
    return grown
