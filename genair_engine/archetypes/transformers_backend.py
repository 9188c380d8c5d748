"""The transformers backend: any causal LM folder of safetensors weights, from the demo models to a 7B chat model.

A prompt goes through the tokenizer's own chat template once (no second BOS, no other model's markers; methods.md 3.5
#11). float32 on the CPU, bfloat16 on a GPU; states are summed in float32 in both.

Reproducibility: an item's random numbers depend on its seed alone, but the shape of a batch changes the rounding of
matrix products. In float32 a changed token is possible yet rare (the draw must fall within about 1e-6 of a boundary
between two tokens); in bfloat16 it is common: there, the same text needs the same batches, or a batch size of 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from genair_engine.archetypes.attention import use_own_keys
from genair_engine.archetypes.backends import BATCH_SIZE, Completion, Failure, Sampling, Written, in_order, require_matching
from genair_engine.archetypes.decoding import Answer, Decoder, Decoding
from genair_engine.archetypes.memory import require_memory, token_bytes
from genair_engine.archetypes.sources import ModelSource
from genair_engine.devices import device_name, enough_memory, free_memory, pick_device
from genair_engine.errors import ModelError, NonFiniteError

CACHE_SHARE = 0.5
"""Of the memory that is free, how much the keys and values of all answers may take if each is as long as it may be."""


class TransformersModel:
    """A loaded causal LM (a `LanguageModel`). Raises ModelError or NonFiniteError where it cannot be used."""

    def __init__(self, source: ModelSource, device: str = "auto") -> None:
        self.model_id = source.model_id
        self.revision = source.revision
        self._model, self._tokenizer = _load(source, pick_device(device))
        self._decoder = Decoder(self._model, _eos_ids(self._model, self._tokenizer))
        added = self._tokenizer.added_tokens_decoder.values()
        self._special_tokens = [str(token) for token in added if token.special]
        text_config = self._model.config.get_text_config()
        self.dim = int(text_config.hidden_size)
        self.backend = "transformers"
        self.precision = str(self._model.dtype).removeprefix("torch.")
        self.device = device_name(self._model.device)
        self._positions: int | None = getattr(text_config, "max_position_embeddings", None)
        self._token_bytes = token_bytes(text_config, self._model.dtype)
        self.facts: dict[str, str] = {}

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, *, names: Sequence[str] = ()
    ) -> list[Completion]:
        """One completion for each prompt, in their order. Raises as `generate_batches`, and ModelError where one fails."""
        return in_order(self.generate_batches(prompts, seeds, sampling, names=names))

    def generate_batches(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        sampling: Sampling,
        batch_size: int = BATCH_SIZE,
        *,
        names: Sequence[str] = (),
    ) -> Iterator[list[tuple[int, Written]]]:
        """What is finished, as it is finished. Prompts that do not fit come first, as failures.

        Fewer than `batch_size` are answered at once where the memory for their keys and values would not suffice.
        Answers are cut where the model's positions end. A prompt fails that is empty or too long, or whose states are NaN or
        infinite. Raises InputError where seeds, names or batch size do not fit, ModelError where the GPU's memory is too
        small.
        """
        require_matching(prompts, seeds, names, batch_size)
        return self._write(prompts, seeds, sampling, batch_size, names or [f"prompt {i}" for i in range(len(prompts))])

    def stream(self, prompt: str, seed: int, sampling: Sampling, *, name: str = "the prompt") -> Iterator[str | Completion]:
        """The answer so far after every token, and at last the completion. Raises ModelError where the prompt fails."""
        tokens = self.tokenize(prompt)
        if failure := self._misfit(tokens, name):
            raise ModelError(failure.reason)
        decoding = self._start([tokens], [seed], sampling, 1)
        while not decoding.finished:
            for _, answer in self._step(decoding):
                written = self._written(answer, len(tokens), name)
                if isinstance(written, Failure):
                    raise ModelError(written.reason)
                yield written
            if so_far := decoding.tokens(0):
                yield self._text(so_far).removesuffix("\ufffd")  # the first bytes of a character that is not complete

    def _write(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, batch_size: int, labels: Sequence[str]
    ) -> Iterator[list[tuple[int, Written]]]:
        tokens = self._tokenize(prompts)
        failed = {i: failure for i, ids in enumerate(tokens) if (failure := self._misfit(ids, labels[i]))}
        if failed:
            yield list(failed.items())
        fit = [i for i in range(len(prompts)) if i not in failed]
        decoding = self._start([tokens[i] for i in fit], [seeds[i] for i in fit], sampling, batch_size)
        while not decoding.finished:
            if answers := self._step(decoding):
                yield [(fit[k], self._written(answer, len(tokens[fit[k]]), labels[fit[k]])) for k, answer in answers]

    def _start(self, tokens: list[list[int]], seeds: Sequence[int], sampling: Sampling, slots: int) -> Decoding:
        room = [sampling.max_new_tokens if self._positions is None else self._positions - len(ids) for ids in tokens]
        budgets = [min(sampling.max_new_tokens, r) for r in room]
        longest = max(map(len, tokens), default=0) + max(budgets, default=1)
        fit = int(CACHE_SHARE * free_memory(self._model.device)) // (longest * self._token_bytes)
        return self._decoder.start(tokens, budgets, seeds, sampling, max(1, min(slots, fit)))

    def _step(self, decoding: Decoding) -> list[tuple[int, Answer]]:
        with enough_memory(f"Lower the batch size (now up to {decoding.slots} prompts at a time) or max_new_tokens."):
            return decoding.step()

    def _written(self, answer: Answer, prompt_tokens: int, label: str) -> Written:
        for part, states in (("prefill", answer.prefill), ("decoding", answer.decoding)):
            if not np.isfinite(states).all():
                return Failure(
                    f"{self.model_id} gave NaN or infinity in the {part} states of {label}: the weights are damaged, or "
                    f"overflow {self.precision}. Get the model again, or use another one."
                )
        return Completion(
            text=self._text(answer.tokens),
            prompt_tokens=prompt_tokens,
            generated_tokens=len(answer.tokens),
            finish="eos" if answer.ended else "length",
            seconds=answer.seconds,
            prefill=answer.prefill,
            decoding=answer.decoding,
        )

    def _text(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def _misfit(self, tokens: list[int], label: str) -> Failure | None:
        """Why a prompt cannot be answered, if it cannot."""
        if not tokens:
            return Failure(f"The prompt of {label} is empty: the template gives this model's tokenizer nothing to read.")
        if self._positions is not None and len(tokens) >= self._positions:
            return Failure(
                f"The prompt of {label} has {len(tokens):,} tokens, and {self.model_id} takes {self._positions:,} positions "
                "for prompt and answer together. Shorten the item's attributes or use a model with a longer context."
            )
        return None

    def tokenize(self, prompt: str) -> list[int]:
        """Token ids of the prompt in the chat template; without a template, with the tokenizer's special tokens.

        Special tokens are the template's alone: where a catalogue's text spells one out ("</s>"), it stays text.
        """
        return self._tokenize([prompt])[0]

    def _tokenize(self, prompts: Sequence[str]) -> list[list[int]]:
        """The same for many, which the tokenizer's own threads share."""
        if not prompts:
            return []
        texts = [self._harmless(prompt) for prompt in prompts]
        if not self._tokenizer.chat_template:
            return [list(ids) for ids in self._tokenizer(texts).input_ids]
        chats = [[{"role": "user", "content": text}] for text in texts]
        texts = self._tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
        # The template has written BOS already.
        return [list(ids) for ids in self._tokenizer(texts, add_special_tokens=False).input_ids]

    def _harmless(self, prompt: str) -> str:
        prompt = prompt.encode("utf-8", "replace").decode()  # half a surrogate pair is no text to a tokenizer
        for token in self._special_tokens:
            prompt = prompt.replace(token, f"{token[0]} {token[1:]}")
        return prompt


def _load(source: ModelSource, device: torch.device) -> tuple[Any, Any]:
    """Model and tokenizer, checked: complete and finite weights, an architecture that the decoding loop can drive."""
    transformers_logging.disable_progress_bar()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"{source.model_id} ({source.folder}) has no tokenizer that can be read: put the model's tokenizer.json and "
            f"tokenizer_config.json there. ({_first_line(error)})"
        ) from error
    try:
        require_memory(source, AutoConfig.from_pretrained(source.folder, trust_remote_code=False), dtype, device)
        model, info = AutoModelForCausalLM.from_pretrained(
            source.folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{source.model_id} ({source.folder}) cannot be loaded as a causal LM: {_first_line(error)}"
        ) from error
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise ModelError(
            f"{source.model_id} lacks {len(missing)} weights, the first is {missing[0]}: the download or the "
            "checkpoint is incomplete, or its config.json names another architecture."
        )
    if not model.can_generate() or model.base_model is model or getattr(model, "_is_stateful", False):
        raise ModelError(f"{type(model).__name__} of {source.model_id} is no causal LM with a key-value cache.")
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise NonFiniteError(f"The weights {name} of {source.model_id} hold NaN or infinity: get the model again.")
    model = model.to(device).eval()
    use_own_keys(model)
    return model, tokenizer


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _eos_ids(model: Any, tokenizer: Any) -> set[int]:
    """All tokens that end an answer: those of the generation config (one or a list) and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return {i for i in [*ids, tokenizer.eos_token_id] if i is not None}
