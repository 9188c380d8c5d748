"""Texts that are given, not written: their mean states from one forward pass over prompt and answer (teacher forcing).

What `decoding` keeps while a model writes, for a text that a person edited or typed: means of the last layer's states after
the final norm over the prompt (prefill) and over the answer (decoding; GenAIR eq. 3-5). A text that the model wrote gives the
states that it had then, as far as its tokens come out of the text again: a model may spell a word in other tokens than its
tokenizer would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genair_engine.devices import enough_memory
from genair_engine.types import Float32Array

Tokens = list[int]


def mean_states(
    network: Any, prompts: Sequence[Tokens], answers: Sequence[Tokens], batch_size: int
) -> tuple[Float32Array, Float32Array]:
    """Prefill and decoding states, float32 [n, d] each, of n answers behind n prompts, none of them empty.

    network: a transformers causal LM. The longest come first, `batch_size` at a time. Raises ModelError where a GPU's memory
    is too small.
    """
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]) - len(answers[i]))
    shape = len(prompts), network.config.get_text_config().hidden_size
    prefill, decoding = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        with enough_memory(f"Lower the batch size (now {batch_size})."):
            means = _means_of_batch(network, [prompts[i] for i in batch], [answers[i] for i in batch])
        prefill[batch], decoding[batch] = (mean.cpu().numpy() for mean in means)
    return prefill, decoding


@torch.inference_mode()
def _means_of_batch(network: Any, prompts: list[Tokens], answers: list[Tokens]) -> tuple[Tensor, Tensor]:
    """[b, d] float32 means over the prompts and over the answers behind them.

    Padded on the right: behind a causal mask no token ever sees a pad, and pads enter no mean.
    """
    pairs = list(zip(prompts, answers, strict=True))
    ends = torch.tensor([[len(p), len(p) + len(a)] for p, a in pairs], device=network.device)
    width = int(ends.max())
    rows = [p + a + [0] * (width - len(p) - len(a)) for p, a in pairs]
    place = torch.arange(width, device=network.device)
    mask = place < ends[:, 1:]
    states = network.base_model(
        input_ids=torch.tensor(rows, device=network.device), attention_mask=mask.long(), use_cache=False
    ).last_hidden_state
    states = states.float().masked_fill(~mask[:, :, None], 0.0)
    in_prompt = (place < ends[:, :1]).float()
    weights = torch.stack([in_prompt, mask.float() - in_prompt], dim=1)  # [b, 2, width]
    prefill, decoding = ((weights @ states) / weights.sum(dim=2, keepdim=True)).unbind(dim=1)
    return prefill, decoding
