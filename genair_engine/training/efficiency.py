"""What a model costs, as in the paper's table 5: parameters that are trained, and operations of an inference.

One FLOP is one addition or one multiplication: a multiply-add counts 2, as in `torch.utils.flop_counter`, which counts
matrix products and attention and nothing else (norms, activations and look-ups are left out). Attention is counted in
full, masked pairs too. Halve the numbers to compare them with papers that count multiply-adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from genair_engine.errors import InputError
from genair_engine.methods.recommender import SequenceRecommender


@dataclass(frozen=True)
class InferenceFlops:
    """length: items of the session. session: FLOPs of scoring it against the whole catalogue with the item table at hand.
    table: FLOPs of computing that table, once a trained model (0 where it is looked up)."""

    length: int
    session: int
    table: int


def trainable_parameters(model: nn.Module) -> int:
    """How many numbers training changes; a frozen representation is none of them."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@torch.no_grad()
def inference_flops(model: SequenceRecommender, length: int | None = None) -> InferenceFlops:
    """FLOPs of inference for one session of `length` items, by default the longest that the model reads.

    Counted by running the parts once: the backbone on one session, the item source on one item (every row of the table
    costs the same); the product with the table is 2 · d · n_items. Fused attention is switched off for that, as the
    counter does not see inside its CPU kernel. Raises InputError for a length that the model does not read.
    """
    length = model.reads if length is None else length
    if not 1 <= length <= model.reads:
        raise InputError(f"The model reads 1 to {model.reads} items of a session: it cannot be measured on {length}.")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        item = torch.ones(1, dtype=torch.int64, device=device)
        with FlopCounterMode(display=False) as of_item:
            vector = model.items.vectors(item)  # [1, d]
        session = item.expand(1, length)
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as of_backbone:
            model.last_states(session, torch.cat([torch.zeros_like(vector), vector]))
    finally:
        model.train(was_training)
    product = 2 * vector.shape[1] * model.n_items
    return InferenceFlops(length, of_backbone.get_total_flops() + product, of_item.get_total_flops() * model.n_items)
