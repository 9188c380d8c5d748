"""Attention of the next token of many answers, on a CPU: each answer reads its own keys and values, and no others.

A step of decoding reads every key and value once and does little with it, so the bytes that are read are its time. PyTorch's
kernel also reads the padding of rows that are shorter than the longest, and rows whose answer is complete, only to mask them,
and with one query a row it reaches half of the memory's bandwidth; in a batch of 64 answers the loop below takes less than
half of its time (benchmarks/README.md). Everything else (prompts, GPUs, other precisions, a row alone) is PyTorch's.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "own_keys"
_ONE_AT_A_TIME = threading.Lock()
"""Not every threading layer of Numba bears calls from several threads."""


def use_own_keys(model: Any) -> None:
    """Lets a transformers model on a CPU attend so, where it would use PyTorch's kernel: others need what that has not."""
    if model.device.type == "cpu" and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """What transformers calls for attention: query [rows, heads, l, d], key and value [rows, key heads, columns, d].

    Returns [rows, l, heads, d]. attention_mask: [rows or 1, heads or 1, l, columns], True where a token may be looked at.
    """
    if not _fits(query, key, value, attention_mask, options):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
    assert attention_mask is not None
    rows, heads, _, width = query.shape
    out = torch.empty(rows, 1, heads, width)
    # Numba and its threads are loaded when the first batch is decoded, not by everything that imports the engine.
    kernel = importlib.import_module("genair_engine.archetypes.attention_kernel")
    with _ONE_AT_A_TIME:
        kernel.attend_on(
            torch.get_num_threads(),
            query.reshape(-1).numpy(),
            _flat(key),
            _flat(value),
            *key.stride()[:2],
            attention_mask.expand(rows, 1, 1, key.shape[2])[:, 0, 0].numpy(),
            key.shape[1],
            width,
            np.float32(width**-0.5 if scaling is None else scaling),
            out.view(-1).numpy(),
        )
    return out, None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)


def _fits(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, options: dict[str, Any]) -> bool:
    """Whether this is one token each of several rows, plain attention in float32, laid out as the cache lays it out."""
    plain = not any(options.get(name) is not None for name in ("position_bias", "softcap", "s_aux", "cache"))
    return (
        len(query) > 1
        and not query.requires_grad
        and query.shape[2] == 1
        and query.dtype == key.dtype == value.dtype == torch.float32
        and mask is not None
        and mask.dtype == torch.bool
        and mask.shape[1] == 1
        and key.shape == value.shape
        and key.stride() == value.stride()
        and key.stride()[2:] == (key.shape[3], 1)
        and query.shape[3] == key.shape[3]
        and not options.get("dropout")
        and plain
    )


def _flat(states: Tensor) -> Any:
    """All that lies behind the first element of a view, one-dimensional: an inner loop over it is vectorised."""
    rest = states.untyped_storage().nbytes() // states.element_size() - states.storage_offset()
    return states.as_strided((rest,), (1,)).numpy()
