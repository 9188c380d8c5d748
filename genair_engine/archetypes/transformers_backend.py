"""The transformers backend: any causal LM folder of safetensors weights, from the demo models to a 7B chat model.

A prompt goes through the tokenizer's own chat template once (no second BOS, no other model's markers; methods.md 3.5
#11) and prompts of similar length share a batch. float32 on the CPU, bfloat16 on a GPU; states are summed in float32
in both.

Reproducibility: an item's random numbers depend on its seed alone, but the shape of a batch changes the rounding of
matrix products. In float32 a changed token is possible yet rare (the draw must fall within about 1e-6 of a boundary
between two tokens); in bfloat16 it is common: there, the same text needs the same batches, or a batch size of 1.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from genair_engine.archetypes.backends import BATCH_SIZE, Completion, Sampling
from genair_engine.archetypes.decoding import Decoder
from genair_engine.archetypes.sampling import uniforms
from genair_engine.archetypes.sources import ModelSource
from genair_engine.devices import enough_memory, pick_device
from genair_engine.errors import InputError, ModelError, NonFiniteError


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
        self._positions: int | None = getattr(text_config, "max_position_embeddings", None)

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, *, names: Sequence[str] = ()
    ) -> list[Completion]:
        """One completion for each prompt, in their order. Raises as `generate_batches`."""
        batches = self.generate_batches(prompts, seeds, sampling, names=names)
        finished = dict(pair for batch in batches for pair in batch)
        return [finished[i] for i in range(len(prompts))]

    def generate_batches(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        sampling: Sampling,
        batch_size: int = BATCH_SIZE,
        *,
        names: Sequence[str] = (),
    ) -> Iterator[list[tuple[int, Completion]]]:
        """Finished batches of (index, completion), the longest prompts first: what needs most memory comes at once.

        Answers are cut where the model's positions end. All prompts are checked before the first batch starts. Raises
        InputError (seeds, names or batch size do not fit), ModelError (a prompt is too long, or the GPU's memory is
        too small), NonFiniteError (states are NaN or infinite; names the item).
        """
        if len(seeds) != len(prompts) or (names and len(names) != len(prompts)) or batch_size < 1:
            raise InputError(
                f"{len(prompts)} prompts need as many seeds and names (got {len(seeds)} and {len(names)}) and a batch "
                f"size of at least 1 (got {batch_size})."
            )
        labels = list(names) or [f"prompt {i}" for i in range(len(prompts))]
        tokens = [self.tokenize(prompt) for prompt in prompts]
        self._check_lengths(tokens, labels)
        order = sorted(range(len(prompts)), key=lambda i: -len(tokens[i]))
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        return (
            self._complete(batch, [tokens[i] for i in batch], [seeds[i] for i in batch], sampling, labels) for batch in batches
        )

    def tokenize(self, prompt: str) -> list[int]:
        """Token ids of the prompt in the chat template; without a template, with the tokenizer's special tokens.

        Special tokens are the template's alone: where a catalogue's text spells one out ("</s>"), it stays text.
        """
        for token in self._special_tokens:
            prompt = prompt.replace(token, f"{token[0]} {token[1:]}")
        if not self._tokenizer.chat_template:
            return list(self._tokenizer(prompt).input_ids)
        message = [{"role": "user", "content": prompt}]
        text = self._tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)  # the template has written BOS already

    def _check_lengths(self, tokens: list[list[int]], labels: list[str]) -> None:
        for ids, label in zip(tokens, labels, strict=True):
            if not ids:
                raise InputError(f"The prompt of {label} is empty.")
            if self._positions is not None and len(ids) >= self._positions:
                raise ModelError(
                    f"The prompt of {label} has {len(ids)} tokens, and {self.model_id} takes {self._positions} "
                    "positions for prompt and answer together. Shorten the item's attributes or use a model with a "
                    "longer context."
                )

    def _complete(
        self, batch: list[int], prompts: list[list[int]], seeds: list[int], sampling: Sampling, labels: list[str]
    ) -> list[tuple[int, Completion]]:
        started = time.perf_counter()
        room = [sampling.max_new_tokens if self._positions is None else self._positions - len(p) for p in prompts]
        budgets = [min(sampling.max_new_tokens, r) for r in room]
        at_once = f"{len(batch)} prompts of up to {len(prompts[0])} tokens"
        with enough_memory(f"Lower the batch size or max_new_tokens (now {at_once} at a time)."):
            decoded = self._decoder.decode(prompts, budgets, uniforms(seeds, max(budgets)), sampling)
        for part, states in (("prefill", decoded.prefill), ("decoding", decoded.decoding)):
            bad = (~torch.isfinite(states).all(dim=1)).nonzero()
            if len(bad):
                raise NonFiniteError(
                    f"{self.model_id} gave NaN or infinity in the {part} states of {labels[batch[int(bad[0])]]} "
                    f"({len(bad)} of {len(batch)} in its batch): the weights are damaged or overflow this precision."
                )
        texts = self._tokenizer.batch_decode(decoded.tokens, skip_special_tokens=True)
        seconds = (time.perf_counter() - started) / len(batch)
        return [
            (
                index,
                Completion(
                    text=text.strip(),
                    prompt_tokens=len(prompt),
                    generated_tokens=len(answer),
                    finish="eos" if ended else "length",
                    seconds=seconds,
                    prefill=prefill,
                    decoding=decoding,
                ),
            )
            for index, text, prompt, answer, ended, prefill, decoding in zip(
                batch,
                texts,
                prompts,
                decoded.tokens,
                decoded.ended,
                decoded.prefill.numpy(),
                decoded.decoding.numpy(),
                strict=True,
            )
        ]


def _load(source: ModelSource, device: torch.device) -> tuple[Any, Any]:
    """Model and tokenizer, checked: complete and finite weights, an architecture that the decoding loop can drive."""
    transformers_logging.disable_progress_bar()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False)
        model, info = AutoModelForCausalLM.from_pretrained(
            source.folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{source.model_id} ({source.folder}) cannot be loaded as a causal LM: {reason}") from error
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
    return model.to(device).eval(), tokenizer


def _eos_ids(model: Any, tokenizer: Any) -> set[int]:
    """All tokens that end an answer: those of the generation config (one or a list) and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return {i for i in [*ids, tokenizer.eos_token_id] if i is not None}
