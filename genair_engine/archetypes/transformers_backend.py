"""The transformers backend: any causal LM folder of safetensors weights, from the demo models to a 7B chat model.

A prompt goes through the tokenizer's own chat template once (no second BOS, no other model's markers; methods.md 3.5
#11). float32 on the CPU, bfloat16 on a GPU; states are summed in float32 in both.

Reproducibility: an item's random numbers depend on its seed alone, but the shape of a batch changes the rounding of
matrix products. In float32 a changed token is possible yet rare (the draw must fall within about 1e-6 of a boundary
between two tokens); in bfloat16 it is common: there, the same text needs the same batches, or a batch size of 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from genair_engine.archetypes.backends import EMBED_SIZE, Completion, Failure, LanguageModel, Sampling, Work, Written
from genair_engine.archetypes.causal_lm import eos_ids, load_causal_lm
from genair_engine.archetypes.decoding import Answer, Decoder, Decoding
from genair_engine.archetypes.memory import token_bytes
from genair_engine.archetypes.model_folders import ModelFolder
from genair_engine.archetypes.teacher_forcing import mean_states
from genair_engine.devices import device_name, enough_memory, free_memory, pick_device
from genair_engine.errors import InputError, ModelError, NonFiniteError
from genair_engine.types import Float32Array

CACHE_SHARE = 0.5
"""Of the memory that is free, how much the keys and values of all answers may take if each is as long as it may be."""


class TransformersModel(LanguageModel):
    """A loaded causal LM (`Streaming`). Raises ModelError or NonFiniteError where it cannot be used.

    Prompts that do not fit come first, as failures. Fewer than the batch size are answered at once where the memory for their
    keys and values would not suffice. Answers are cut where the model's positions end. A prompt fails that is empty or too
    long, or whose states are NaN or infinite.
    """

    def __init__(self, folder: ModelFolder, device: str = "auto") -> None:
        self.model_id = folder.model_id
        self.revision = folder.revision
        self._model, self._tokenizer = load_causal_lm(folder, pick_device(device))
        self._decoder = Decoder(self._model, eos_ids(self._model, self._tokenizer))
        added = self._tokenizer.added_tokens_decoder.values()
        self._special_tokens = [str(token) for token in added if token.special]
        text_config = self._model.config.get_text_config()
        self.dim = int(text_config.hidden_size)
        self.backend = "transformers"
        self.precision = str(self._model.dtype).removeprefix("torch.")
        self.device = device_name(self._model.device)
        self._positions: int | None = getattr(text_config, "max_position_embeddings", None)
        self._token_bytes = token_bytes(text_config, self._model.dtype)
        self.provenance = {}

    def answer(self, work: Work) -> Iterator[list[tuple[int, Written]]]:
        """Answers as they are finished. Raises ModelError where the GPU's memory is too small."""
        tokens = self._tokenize(work.prompts)
        failed = {i: failure for i, ids in enumerate(tokens) if (failure := self._misfit(ids, work.labels[i]))}
        if failed:
            yield list(failed.items())
        fit = [i for i in range(len(tokens)) if i not in failed]
        decoding = self._start([tokens[i] for i in fit], [work.seeds[i] for i in fit], work.sampling, work.batch_size)
        while not decoding.finished:
            if answers := self._step(decoding):
                yield [(fit[k], self._written(answer, len(tokens[fit[k]]), work.labels[fit[k]])) for k, answer in answers]

    def embed(
        self, prompts: Sequence[str], texts: Sequence[str], *, names: Sequence[str] = (), batch_size: int = EMBED_SIZE
    ) -> tuple[Float32Array, Float32Array]:
        """The states of given texts, by one pass over prompt and text (`teacher_forcing`). Raises as the base class says."""
        labels = list(names) or [f"text {index}" for index in range(len(prompts))]
        if not len(prompts) == len(texts) == len(labels) or batch_size < 1:
            raise InputError(
                f"{len(prompts)} prompts need as many answers and names (got {len(texts)} and {len(labels)}) and a batch size "
                f"of at least 1 (got {batch_size})."
            )
        prompt_tokens = self._tokenize(prompts)
        text_tokens = [self._text_tokens(text) for text in texts]
        for prompt, text, label in zip(prompt_tokens, text_tokens, labels, strict=True):
            self._require_room(len(prompt), len(text), label)
        prefill, decoding = mean_states(self._model, prompt_tokens, text_tokens, batch_size)
        bad = np.flatnonzero(~(np.isfinite(prefill).all(axis=1) & np.isfinite(decoding).all(axis=1)))
        if len(bad):
            raise NonFiniteError(self._not_finite("states", labels[bad[0]]))
        return prefill, decoding

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
                return Failure(self._not_finite(f"{part} states", label))
        return Completion(
            text=self._text(answer.tokens),
            prompt_tokens=prompt_tokens,
            generated_tokens=len(answer.tokens),
            finish="eos" if answer.ended else "length",
            seconds=answer.seconds,
            prefill=answer.prefill,
            decoding=answer.decoding,
        )

    def _not_finite(self, what: str, label: str) -> str:
        return (
            f"{self.model_id} gave NaN or infinity in the {what} of {label}: the weights are damaged, or overflow "
            f"{self.precision}. Get the model again, or use another one."
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

    def _require_room(self, prompt_tokens: int, text_tokens: int, label: str) -> None:
        """Raises InputError where a given text is empty, or too long for the positions behind its prompt."""
        if not text_tokens:
            raise InputError(f"The text of {label} is empty: there is nothing to read.")
        room = None if self._positions is None else max(self._positions - prompt_tokens, 0)
        if room is not None and text_tokens > room:
            raise InputError(
                f"The text of {label} has {text_tokens:,} tokens, and {self.model_id} has {room:,} positions for it behind "
                f"its prompt of {prompt_tokens:,}: shorten it."
            )

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

    def _text_tokens(self, text: str) -> list[int]:
        """Tokens of a text that goes on behind a prompt: no BOS, and special tokens that it spells out stay text."""
        return list(self._tokenizer(self._harmless(text).strip(), add_special_tokens=False).input_ids)

    def _harmless(self, text: str) -> str:
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text to a tokenizer
        for token in self._special_tokens:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text
