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
from numpy.typing import NDArray
from torch import Tensor

from genair_engine.archetypes.backends import READ_SIZE, LanguageModel
from genair_engine.archetypes.transformers_backend import TransformersModel
from genair_engine.devices import enough_memory
from genair_engine.errors import InputError, ModelError, NonFiniteError

FloatArray = NDArray[np.float32]


def embed_texts(
    model: LanguageModel,
    prompts: Sequence[str],
    answers: Sequence[str],
    *,
    names: Sequence[str] = (),
    batch_size: int = READ_SIZE,
) -> tuple[FloatArray, FloatArray]:
    """Prefill and decoding states, float32 [n, d] each, of n answers to n prompts (user messages, as `generate` takes them).

    names: what errors call the pairs. Raises InputError where an answer is empty or does not fit behind its prompt into the
    model's positions, ModelError for a model that is not on this machine or too small a GPU, NonFiniteError.
    """
    if not isinstance(model, TransformersModel):
        raise ModelError(
            f"{model.model_id} is not on this machine: only a model that is can read a text that it did not write."
        )
    if len(prompts) != len(answers) or (names and len(names) != len(prompts)) or batch_size < 1:
        raise InputError(
            f"{len(prompts)} prompts need as many answers and names (got {len(answers)} and {len(names)}) and a batch size of "
            f"at least 1 (got {batch_size})."
        )
    labels = list(names) or [f"text {i}" for i in range(len(prompts))]
    questions = [model.tokenize(prompt) for prompt in prompts]
    texts = [_answer_tokens(model, answer) for answer in answers]
    for question, text, label in zip(questions, texts, labels, strict=True):
        _require_fit(model, question, text, label)
    prefill = np.zeros((len(prompts), model.dim), dtype=np.float32)
    decoding = np.zeros_like(prefill)
    order = sorted(range(len(prompts)), key=lambda i: -len(questions[i]) - len(texts[i]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        with enough_memory(f"Lower the batch size (now {batch_size})."):
            means = _means(model._model, [questions[i] for i in batch], [texts[i] for i in batch])
        prefill[batch], decoding[batch] = (one.cpu().numpy() for one in means)
    bad = np.flatnonzero(~(np.isfinite(prefill).all(axis=1) & np.isfinite(decoding).all(axis=1)))
    if len(bad):
        raise NonFiniteError(
            f"{model.model_id} gave NaN or infinity in the states of {labels[bad[0]]}: the weights are damaged, or overflow "
            f"{model.precision}. Get the model again, or use another one."
        )
    return prefill, decoding


def _answer_tokens(model: TransformersModel, answer: str) -> list[int]:
    """Tokens of a text that goes on behind a prompt: no BOS, and special tokens that it spells out stay text."""
    for token in model._special_tokens:
        answer = answer.replace(token, f"{token[0]} {token[1:]}")
    return list(model._tokenizer(answer.strip(), add_special_tokens=False).input_ids)


def _require_fit(model: TransformersModel, question: list[int], text: list[int], label: str) -> None:
    if not text:
        raise InputError(f"The text of {label} is empty: there is nothing to read.")
    room = None if model._positions is None else model._positions - len(question)
    if room is not None and len(text) > room:
        raise InputError(
            f"The text of {label} has {len(text):,} tokens, and {model.model_id} has {max(room, 0):,} positions for it behind "
            f"its prompt of {len(question):,}: shorten it."
        )


@torch.inference_mode()
def _means(network: Any, questions: list[list[int]], texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """[b, d] float32 means over the questions and over the texts behind them.

    Padded on the right: behind a causal mask no token ever sees a pad, and pads enter no mean.
    """
    ends = torch.tensor([[len(q), len(q) + len(t)] for q, t in zip(questions, texts, strict=True)], device=network.device)
    width = int(ends.max())
    rows = [q + t + [0] * (width - len(q) - len(t)) for q, t in zip(questions, texts, strict=True)]
    place = torch.arange(width, device=network.device)
    mask = place < ends[:, 1:]
    states = network.base_model(
        input_ids=torch.tensor(rows, device=network.device), attention_mask=mask.long(), use_cache=False
    ).last_hidden_state
    states = states.float().masked_fill(~mask[:, :, None], 0.0)
    asked = (place < ends[:, :1]).float()
    weights = torch.stack([asked, mask.float() - asked], dim=1)  # [b, 2, width]
    prefill, decoding = ((weights @ states) / weights.sum(dim=2, keepdim=True)).unbind(dim=1)
    return prefill, decoding
