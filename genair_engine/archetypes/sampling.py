"""Which token comes next: repetition penalty, temperature and nucleus (top-p) sampling, vectorised over a batch.

The rules and their order are those of Hugging Face's `generate`. The random numbers are not: every item has its own
stream, drawn from its own seed before the first step, and a token is found by inverting the nucleus' cumulative
distribution at the item's number for that step. So neither the batch that an item is in, nor its place there, changes
what is drawn for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genair_engine.archetypes.backends import Sampling


def uniforms(seeds: Sequence[int], steps: int) -> Tensor:
    """[n, steps] float32 in [0, 1): row i depends on seeds[i] (a non-negative integer) alone.

    A shorter row is the beginning of a longer one. NumPy spreads the seed over the generator's whole state, so that
    neighbouring seeds (item numbers, say) give unrelated streams.
    """
    rows = [np.random.Generator(np.random.PCG64(seed)).random(steps) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).float().clamp(max=1 - 2**-24)


def next_tokens(logits: Tensor, seen: Tensor, draws: Tensor, sampling: Sampling) -> Tensor:
    """[b] int64: the next token of each row.

    logits: [b, vocab] float32. seen: [b, vocab] bool, tokens of the row's prompt and answer so far (without padding).
    draws: [b] uniform numbers in [0, 1), not used when greedy.
    """
    logits = penalise(logits, seen, sampling.repetition_penalty)
    if sampling.greedy:
        return logits.argmax(dim=-1)
    # stable: equal logits, frequent in bfloat16, keep the vocabulary's order whatever the batch
    probabilities, order = torch.sort(torch.softmax(logits / sampling.temperature, dim=-1), descending=True, stable=True)
    cumulative = probabilities.cumsum(dim=-1)
    in_nucleus = cumulative - probabilities < sampling.top_p  # all that is likelier holds less than top_p
    last = (in_nucleus.sum(dim=-1, keepdim=True) - 1).clamp(min=0)  # NaN has no nucleus; its states are reported later
    target = draws[:, None] * cumulative.gather(1, last)
    place = torch.searchsorted(cumulative, target, right=True).minimum(last)
    return order.gather(1, place)[:, 0]


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits of seen tokens divided by `penalty` where positive, else multiplied by it (CTRL, Keskar et al. 2019)."""
    if penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)
