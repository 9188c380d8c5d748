"""Which token comes next: repetition penalty, temperature and nucleus (top-p) sampling, vectorised over a batch.

The rules and their order are those of Hugging Face's `generate`, without its default top-k of 50, which neither the paper
nor its sampling settings name. The random numbers are not: every item has its own
stream, drawn from its own seed before the first step, and a token is found by inverting the nucleus' cumulative
distribution at the item's number for that step, tokens in the vocabulary's order (not in the order of probability,
where a change of rounding could swap near-equal tokens). So neither the batch that an item is in, nor its place
there, changes what is drawn for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genair_engine.archetypes.backends import Sampling

_FIRST = 32
_LARGEST = 1 - 2**-23  # times any float32 it is still smaller than that number


def uniforms(seeds: Sequence[int], steps: int) -> Tensor:
    """[n, steps] float32 in [0, 1): row i depends on seeds[i] (a non-negative integer) alone.

    A shorter row is the beginning of a longer one. NumPy spreads the seed over the generator's whole state, so that
    neighbouring seeds (item numbers, say) give unrelated streams.
    """
    rows = [np.random.Generator(np.random.PCG64(seed)).random(steps) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).float().clamp(max=_LARGEST)


def next_tokens(logits: Tensor, seen: Tensor, draws: Tensor, sampling: Sampling) -> Tensor:
    """[b] int64: the next token of each row.

    logits: [b, vocab] float32. seen: [b, vocab] bool, tokens of the row's prompt and answer so far (without padding).
    draws: [b] uniform numbers in [0, 1), not used when greedy.
    """
    logits = penalise(logits, seen, sampling.repetition_penalty)
    if sampling.greedy:
        return logits.argmax(dim=-1)
    probabilities = torch.softmax(logits / sampling.temperature, dim=-1)
    kept = torch.where(probabilities >= nucleus_threshold(probabilities, sampling.top_p), probabilities, 0.0)
    cumulative = kept.cumsum(dim=-1)
    target = draws[:, None] * cumulative[:, -1:]
    place = torch.searchsorted(cumulative, target, right=True)
    return place[:, 0].clamp(max=logits.shape[-1] - 1)  # NaN has no place; its states are reported by the caller


def nucleus_threshold(probabilities: Tensor, top_p: float) -> Tensor:
    """[b, 1]: the smallest probability in the nucleus, the fewest likeliest tokens that hold `top_p` together.

    Nearly always the nucleus is among the first few tokens, and the vocabulary ([b, vocab]) need not be sorted.
    """
    likeliest = probabilities.topk(min(_FIRST, probabilities.shape[-1])).values
    smallest = _smallest_of_nucleus(likeliest, top_p)
    wider = likeliest.sum(dim=-1) < top_p
    if bool(wider.any()):
        smallest[wider] = _smallest_of_nucleus(probabilities[wider].sort(dim=-1, descending=True).values, top_p)
    return smallest


def _smallest_of_nucleus(likeliest: Tensor, top_p: float) -> Tensor:
    """[b, 1], from probabilities in descending order."""
    before = likeliest.cumsum(dim=-1) - likeliest
    last = (before < top_p).sum(dim=-1, keepdim=True) - 1
    return likeliest.gather(1, last.clamp(min=0))


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits of seen tokens divided by `penalty` where positive, else multiplied by it (CTRL, Keskar et al. 2019)."""
    if penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)
