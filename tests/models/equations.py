"""The backbones' equations in float64 numpy, one position, one head and one gate at a time.

An independent reading of methods.md 2.1 to 2.3: nothing here comes from the engine but the names of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

Weights = dict[str, np.ndarray]


def weights_of(model: torch.nn.Module) -> Weights:
    return {name: value.detach().double().numpy() for name, value in model.state_dict().items()}


def disturb(model: torch.nn.Module, seed: int = 0) -> None:
    """Moves every weight, so that biases and norms matter as well."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))


def layer_norm(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    centred = x - x.mean()
    return centred / math.sqrt((centred**2).mean() + 1e-8) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def block(
    slots: list[np.ndarray], w: Weights, name: str, heads: int, sees: Callable[[int], Sequence[int]]
) -> list[np.ndarray]:
    """q = LN(x); h = LN(q + MHA(q, x, x)); h + FFN(h). sees: the slots whose keys take part for the query of a slot."""
    size = len(slots[0]) // heads
    keys_values = [linear(x, w, f"{name}.key_value") for x in slots]
    new = []
    for t, x in enumerate(slots):
        q = layer_norm(x, w, f"{name}.query_norm")
        query = linear(q, w, f"{name}.query")
        mixed = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            of_value = slice(len(x) + head * size, len(x) + (head + 1) * size)
            scores = [math.exp(query[part] @ keys_values[s][part] / math.sqrt(size)) for s in sees(t)]
            values = [keys_values[s][of_value] for s in sees(t)]
            mixed.append(sum(score * value for score, value in zip(scores, values, strict=True)) / sum(scores))
        h = layer_norm(q + linear(np.concatenate(mixed), w, f"{name}.output"), w, f"{name}.forward_norm")
        inner = np.maximum(linear(h, w, f"{name}.feed_forward.0"), 0.0)
        new.append(h + linear(inner, w, f"{name}.feed_forward.3"))
    return new


def transformer(
    items: np.ndarray,
    w: Weights,
    heads: int,
    causal: bool,
    masked: Sequence[int] = (),
    slots_of_public_code: int | None = None,
) -> np.ndarray:
    """[T, d] states of one session of item vectors [T, d]. masked: positions that hold the mask token instead.

    slots_of_public_code: its fixed width; the session stands at its end, the slots before it are zeroed before every block
    and take part in every softmax, and nothing is masked.
    """
    T, d = items.shape
    inputs = [w["mask"] if t in masked else items[t] for t in range(T)]
    pads = 0 if slots_of_public_code is None else slots_of_public_code - T
    zero = np.zeros(d)
    slots = [zero] * pads + [x * math.sqrt(d) + w["positions.weight"][t] for t, x in enumerate(inputs)]

    def sees(t: int) -> Sequence[int]:
        return range(t + 1 if causal else len(slots))

    layers = len({name.split(".")[1] for name in w if name.startswith("blocks.")})
    for number in range(layers):
        slots = block(slots, w, f"blocks.{number}", heads, sees)
        slots[:pads] = [zero] * pads
    return np.stack([layer_norm(x, w, "norm") for x in slots[pads:]])


def gru(items: np.ndarray, w: Weights, layers: int) -> np.ndarray:
    """[T, d] states. r, z = σ(W x + U h); n = tanh(W x + r ∘ (U h)); h' = (1 − z) ∘ n + z ∘ h (Cho et al. 2014)."""

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    states = list(items)
    for number in range(layers):
        w_r, w_z, w_n = np.split(w[f"gru.weight_ih_l{number}"], 3)
        u_r, u_z, u_n = np.split(w[f"gru.weight_hh_l{number}"], 3)
        h, inputs, states = np.zeros(items.shape[1]), states, []
        for x in inputs:
            r, z = sigmoid(w_r @ x + u_r @ h), sigmoid(w_z @ x + u_z @ h)
            n = np.tanh(w_n @ x + r * (u_n @ h))
            h = (1 - z) * n + z * h
            states.append(h)
    return np.stack(states)
