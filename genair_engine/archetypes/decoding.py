"""The decoding loop: answers and the means of their states in one pass, with a key-value cache (GenAIR eq. 3-5).

Continuous batching: prompts are answered in a number of slots, and a finished answer gives its slot to the next prompt, so
that one long answer holds nobody up. Newcomers are read in groups, as soon as an eighth of the slots is free; the longest
prompts come first, so that what needs most memory comes at once, and no newcomer is longer than what is there.

A token's state exists when the model reads the token, so the last token of an answer is read too, and both means equal those
of one forward pass over prompt and answer (methods.md 3.5 #8, #9). Only the states of the current step are held: memory grows
with the cache, never with steps x layers. Prompts are padded on the left; pads, and what an empty slot is fed, enter no mean.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.cache import SlotCache
from genair_engine.archetypes.sampling import next_tokens, uniforms
from genair_engine.devices import give_back_freed

REFILL = 8
"""Newcomers are read when one slot in so many is free: a prompt alone uses a processor badly, and an empty slot not at all."""


@dataclass(frozen=True)
class Answer:
    """What was written to one prompt.

    tokens: EOS left out. ended: whether EOS came (else the budget ran out, or states were not finite). prefill, decoding: [d]
    float32. Decoding is the mean over `tokens`: EOS is no word of the archetype and has no part in it; an answer has at least
    one token, since EOS is not allowed as its first. seconds: its share of the time that its slot was in work.
    """

    tokens: list[int]
    ended: bool
    prefill: NDArray[np.float32]
    decoding: NDArray[np.float32]
    seconds: float


class Decoder:
    """Runs a transformers causal LM step by step. Several threads may decode with it.

    model: any causal LM that takes `position_ids` and a key-value cache. eos: ids of the tokens that end an answer. Raises
    ModelError for models that keep other memory than keys and values.
    """

    def __init__(self, model: Any, eos: Collection[int]) -> None:
        self._model = model
        self.device = model.device
        self.eos = torch.tensor(sorted(eos), dtype=torch.long, device=self.device)
        self.new_cache()
        self._held = threading.local()
        # Logits come from the model's own forward, which may scale or cap them; the hook sees the states before it.
        model.base_model.register_forward_hook(self._keep_states)

    def _keep_states(self, _module: Any, _inputs: Any, output: Any) -> None:
        self._held.states = output.last_hidden_state

    def new_cache(self) -> SlotCache:
        return SlotCache(self._model.config)

    def read(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: SlotCache) -> tuple[Tensor, Tensor]:
        """Feeds ids [b, l]; returns their states [b, l, d] and the logits after the last one [b, vocab] (float32).

        mask: [b, columns of the cache + l], 1 where a token may be looked at.
        """
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return self._held.__dict__.pop("states"), output.logits[:, -1].float()

    def start(
        self,
        prompts: Sequence[Sequence[int]],
        budgets: Sequence[int],
        seeds: Sequence[int],
        sampling: Sampling,
        slots: int,
    ) -> Decoding:
        """Begins to answer prompts (token ids, none empty) with at most budgets[i] >= 1 tokens each."""
        return Decoding(self, prompts, budgets, seeds, sampling, slots)


class Decoding:
    """Prompts that are being answered: call `step` until `finished`.

    Rows of all tensors are slots. What is needed to decide who comes and goes is also kept as NumPy arrays, so that a step
    waits for a GPU only to learn which answers are complete (and, sampling, whether a nucleus is wide).
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[Sequence[int]],
        budgets: Sequence[int],
        seeds: Sequence[int],
        sampling: Sampling,
        slots: int,
    ) -> None:
        self._decoder, self._sampling = decoder, sampling
        self._prompts, self._budgets, self._seeds = prompts, budgets, seeds
        self._waiting = deque(sorted(range(len(prompts)), key=lambda i: -len(prompts[i])))
        self._steps = max(budgets, default=0)
        slots = min(slots, len(prompts))
        self._group = max(1, slots // REFILL)
        self._who = np.full(slots, -1)  # which prompt a slot answers; -1: none
        self._columns = np.zeros(slots, dtype=np.int64)  # tokens of the slot that have been read
        self._since = np.zeros(slots)  # when its clock began
        self._clock = 0.0  # seconds of work for one slot so far
        self._cache: SlotCache | None = None

    @property
    def finished(self) -> bool:
        """Whether every prompt has been answered."""
        return not self._waiting and not self._busy.any()

    @property
    def _busy(self) -> NDArray[np.bool_]:
        return self._who >= 0

    @property
    def slots(self) -> int:
        """How many prompts are answered at once."""
        return len(self._who)

    def tokens(self, prompt: int) -> list[int]:
        """What has been written to a prompt that is being answered, so far; nothing for others."""
        slots = (self._who == prompt).nonzero()[0]
        return self._answers[slots[0], : self._counts[slots[0]]].tolist() if len(slots) else []

    @torch.inference_mode()
    def step(self) -> list[tuple[int, Answer]]:
        """Writes one more token for each slot; returns the (prompt, answer) pairs that were complete before it."""
        self._refill()
        started = time.perf_counter()
        alive = torch.from_numpy(self._busy).to(self._decoder.device)
        draws = self._draws.gather(1, self._counts[:, None])[:, 0]
        tokens = next_tokens(self._logits, self._seen, draws, self._sampling)
        full = self._counts >= self._limits
        ends = torch.isin(tokens, self._decoder.eos) & ~full
        over = alive & (full | ends | ~self._sums.sum(dim=1).isfinite())
        over_slots = over.nonzero()[:, 0].tolist()
        answers = [(int(self._who[slot]), self._answer(slot, bool(ends[slot]))) for slot in over_slots]
        self._who[over_slots], self._positions[over_slots] = -1, 0  # an empty slot looks at what it is fed, and no further
        if self._busy.any():
            if not self._waiting and 4 * self._busy.sum() <= 3 * len(self._who):
                tokens = tokens[self._shrink()]
            self._read(tokens)
        self._clock += (time.perf_counter() - started) / max(1, self._busy.sum())
        return answers

    def _refill(self) -> None:
        """Gives free slots to prompts that wait, once there are enough of both to be worth it."""
        free = (~self._busy).nonzero()[0]
        if len(free) == len(self._who):
            self._cache = None
        if not len(free) or len(free) < min(self._group, len(self._waiting)):
            return
        for start in range(0, min(len(free), len(self._waiting)), self._group):
            slots = free[start : start + self._group]
            self._admit(slots, [self._waiting.popleft() for _ in range(min(len(slots), len(self._waiting)))])

    def _admit(self, slots: NDArray[np.int64], newcomers: list[int]) -> None:
        """Reads the newcomers' prompts in one go and gives them the slots."""
        started = time.perf_counter()
        device, slots = self._decoder.device, slots[: len(newcomers)]
        ids, mask = left_pad([self._prompts[i] for i in newcomers], device)
        cache = self._decoder.new_cache()
        states, logits = self._decoder.read(ids, mask, (mask.cumsum(dim=1) - 1).clamp(min=0), cache)
        logits[:, self._decoder.eos] = -torch.inf
        if self._cache is None:
            self._reserve(cache, states, logits)
        assert self._cache is not None
        rows = torch.from_numpy(slots).to(device)
        self._begin_means(rows, states, mask)
        self._cache.place(rows, cache)
        self._logits[rows] = logits
        self._seen[rows] = tokens_of(ids, mask, logits.shape[-1])
        self._draws[rows, : self._steps] = uniforms([self._seeds[i] for i in newcomers], self._steps).to(device)
        self._limits[rows] = torch.tensor([self._budgets[i] for i in newcomers], device=device)
        self._counts[rows] = 0
        self._positions[rows] = mask.sum(dim=1)
        self._who[slots], self._columns[slots] = newcomers, [len(self._prompts[i]) for i in newcomers]
        del cache, states, logits
        give_back_freed(device)
        self._since[slots] = self._clock - (time.perf_counter() - started) / len(newcomers)

    def _begin_means(self, rows: Tensor, states: Tensor, mask: Tensor) -> None:
        """The newcomers' prefill, from their states [b, l, d]; nothing of an answer yet."""
        self._prefill[rows] = masked_mean(states, mask)
        self._sums[rows] = self._prefill[rows] * 0  # NaN where prefill is not finite: the slot is given up at once

    def _add(self, states: Tensor, alive: Tensor) -> None:
        """The states [slots, 1, d] of one more token of each answer."""
        self._sums += torch.where(alive[:, None], states[:, -1].float(), 0.0)

    def _reserve(self, cache: SlotCache, states: Tensor, logits: Tensor) -> None:
        """Room for all slots, before the first prompt takes one."""
        n, device = len(self._who), logits.device
        self._cache = self._decoder.new_cache()
        self._cache.reserve(n, cache)
        self._logits = logits.new_zeros(n, logits.shape[1])
        self._seen = torch.zeros_like(self._logits, dtype=torch.bool)
        self._prefill, self._sums = (logits.new_zeros(n, states.shape[2]) for _ in range(2))
        self._draws = logits.new_zeros(n, self._steps + 1)
        self._answers = torch.zeros(n, self._steps + 1, dtype=torch.long, device=device)
        self._counts, self._limits, self._positions = (self._answers.new_zeros(n) for _ in range(3))

    def _read(self, tokens: Tensor) -> None:
        """Feeds each slot its token [slots], and adds the state to its sum; empty slots are fed too, for nothing."""
        assert self._cache is not None
        busy = self._busy
        alive = torch.from_numpy(busy).to(tokens.device)
        self._answers.scatter_(1, self._counts[:, None], tokens[:, None])
        self._seen.scatter_(1, tokens[:, None], True)
        width = int(self._columns[busy].max())
        self._cache.keep_columns(width)
        mask = torch.arange(width, -1, -1, device=tokens.device) <= self._positions[:, None]
        states, self._logits = self._decoder.read(tokens[:, None], mask, self._positions[:, None], self._cache)
        self._add(states, alive)
        self._counts += alive
        self._positions += alive
        self._columns += busy

    def _shrink(self) -> Tensor:
        """Gives up the empty slots, as nothing waits for them; returns those that are kept."""
        assert self._cache is not None
        kept = self._busy.nonzero()[0]
        rows = torch.from_numpy(kept).to(self._decoder.device)
        self._cache.batch_select_indices(rows)
        for name in ("_logits", "_seen", "_prefill", "_sums", "_draws", "_answers", "_counts", "_limits", "_positions"):
            setattr(self, name, getattr(self, name)[rows])
        self._who, self._columns, self._since = self._who[kept], self._columns[kept], self._since[kept]
        return rows

    def _answer(self, slot: int, ended: bool) -> Answer:
        count = int(self._counts[slot])
        return Answer(
            tokens=self._answers[slot, :count].tolist(),
            ended=ended,
            prefill=self._prefill[slot].to("cpu", copy=True).numpy(),
            decoding=(self._sums[slot] / count).cpu().numpy(),
            seconds=self._clock - float(self._since[slot]),
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
