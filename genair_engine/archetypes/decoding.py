"""The decoding loop: answers and the means of their states in one pass, with a key-value cache (GenAIR eq. 3-5).

A token's state exists when the model reads the token, so the last token of an answer is read too, and both means
equal those of one forward pass over prompt and answer (methods.md 3.5 #8, #9). Only the state of the current step is
held: memory grows with the cache, never with steps x layers. Prompts are padded on the left; pads, and what a
finished row is still fed, enter no mean.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.cache import chunked_cache
from genair_engine.archetypes.sampling import next_tokens


@dataclass(frozen=True)
class Decoded:
    """A decoded batch of b prompts.

    tokens: b lists of answer tokens, EOS left out. ended: whether EOS came (else the budget ran out). prefill,
    decoding: [b, d] float32 on the CPU. Decoding is the mean over `tokens`: EOS is no word of the archetype and has
    no part in it; an answer has at least one token, since EOS is not allowed as its first.
    """

    tokens: list[list[int]]
    ended: list[bool]
    prefill: Tensor
    decoding: Tensor


class Decoder:
    """Runs a transformers causal LM step by step.

    model: any causal LM that takes `position_ids` and a key-value cache. eos: ids of the tokens that end an answer.
    """

    def __init__(self, model: Any, eos: Collection[int]) -> None:
        self._model = model
        self._device = model.device
        self._eos = torch.tensor(sorted(eos), dtype=torch.long, device=self._device)
        self._states = torch.empty(0)
        # Logits come from the model's own forward, which may scale or cap them; the hook sees the states before it.
        model.base_model.register_forward_hook(self._keep_states)

    def _keep_states(self, _module: Any, _inputs: Any, output: Any) -> None:
        self._states = output.last_hidden_state

    def _read(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        """Feeds ids [b, l]; returns their states [b, l, d] (float32) and the logits after the last one [b, vocab]."""
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return self._states, output.logits[:, -1].float()

    @torch.inference_mode()
    def decode(self, prompts: Sequence[Sequence[int]], budgets: Sequence[int], draws: Tensor, sampling: Sampling) -> Decoded:
        """Answers prompts (token ids, none empty) with at most budgets[i] >= 1 tokens each.

        draws: [b, max(budgets)] uniform numbers, one a step. Rows that have finished leave the batch whenever half of
        its rows have.
        """
        steps = max(budgets)
        budget, draws = torch.tensor(budgets, device=self._device), draws.to(self._device)
        ids, mask = left_pad(prompts, self._device)
        lengths = mask.sum(dim=1)
        cache = chunked_cache(self._model.config)
        states, logits = self._read(ids, mask, (mask.cumsum(dim=1) - 1).clamp(min=0), cache)
        prefill = masked_mean(states, mask)
        del states

        seen = tokens_of(ids, mask, logits.shape[-1])
        answers = torch.full((len(prompts), steps), -1, device=self._device)
        ended = torch.zeros(len(prompts), dtype=torch.bool, device=self._device)
        sums = torch.zeros_like(prefill)
        rows = torch.arange(len(prompts), device=self._device)  # which prompt each row of the shrinking batch belongs to
        alive = torch.ones_like(ended)
        for step in range(steps):
            if step == 0:
                logits[:, self._eos] = -torch.inf
            tokens = next_tokens(logits, seen, draws[rows, step], sampling)
            alive = alive & (step < budget[rows])
            at_end = alive & torch.isin(tokens, self._eos)
            ended[rows] |= at_end
            alive = alive & ~at_end
            n_alive = int(alive.sum())
            if n_alive == 0:
                break
            if 2 * n_alive <= len(rows):
                keep = alive.nonzero()[:, 0]
                rows, alive, tokens, seen, mask, lengths = (x[keep] for x in (rows, alive, tokens, seen, mask, lengths))
                cache.batch_select_indices(keep)
            answers[rows, step] = torch.where(alive, tokens, -1)
            seen.scatter_(1, tokens[:, None], True)
            mask = torch.cat((mask, mask.new_ones(len(rows), 1)), dim=1)
            states, logits = self._read(tokens[:, None], mask, (lengths + step)[:, None], cache)
            sums[rows] += torch.where(alive[:, None], states[:, -1].float(), 0.0)

        counts = (answers >= 0).sum(dim=1, keepdim=True)
        return Decoded(
            tokens=[[token for token in row if token >= 0] for row in answers.tolist()],
            ended=ended.tolist(),
            prefill=prefill.cpu(),
            decoding=(sums / counts).cpu(),
        )


def left_pad(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both [b, longest prompt] int64, prompts at the right. Pads have mask 0."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts], device=device)
    lengths = torch.tensor([len(p) for p in prompts], device=device)
    return ids, (torch.arange(width, device=device) >= width - lengths[:, None]).long()


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """[b, d] float32: mean of states [b, l, d] where mask [b, l] is 1. Pads, even NaN, have no part in it."""
    kept = states.float().masked_fill(mask[:, :, None] == 0, 0.0)
    return kept.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def tokens_of(ids: Tensor, mask: Tensor, vocabulary: int) -> Tensor:
    """[b, vocabulary] bool: which tokens stand in each row of ids [b, l] where mask is 1."""
    counts = torch.zeros(len(ids), vocabulary, dtype=torch.long, device=ids.device)
    return counts.scatter_add_(1, ids, mask) > 0
