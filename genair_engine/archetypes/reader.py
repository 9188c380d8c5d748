"""A model on this machine that reads texts which it did not write: a server's, or a person's.

A causal language model reads prompt and answer in one teacher-forced pass (`reading`), an encoder reads the two one by one. A
pair that cannot be read fails alone. `facts` name the reader in what is kept: the states of two readers are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genair_engine.archetypes.backends import (
    EDITED,
    READ_SIZE,
    Completion,
    Encoder,
    Failure,
    LanguageModel,
    Sampling,
    Written,
    in_order,
    load_encoder,
    load_language_model,
)
from genair_engine.archetypes.reading import embed_texts
from genair_engine.archetypes.sources import ModelSource
from genair_engine.devices import device_name, pick_device
from genair_engine.errors import GenairError

States = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Prefill and decoding states of a pair, [d] each."""


class Reader:
    """The model of a source, loaded to read. Raises ModelError, NonFiniteError where it cannot be."""

    def __init__(self, source: ModelSource, device: str = "auto") -> None:
        self._encoder: Encoder | None = None
        self._model: LanguageModel | None = None
        self.model_id, self.device = source.model_id, device_name(pick_device(device))
        if source.is_encoder:
            self._encoder = load_encoder(source, device)
            self.dim, self.precision = self._encoder.dim, "float32"
        else:
            self._model = load_language_model(source, device)
            self.dim, self.precision = self._model.dim, self._model.precision
        role = "encoder" if source.is_encoder else "reader"
        self.facts = {role: source.model_id, f"{role}_revision": source.revision}

    def read(
        self, prompts: Sequence[str], answers: Sequence[str], names: Sequence[str], batch_size: int = READ_SIZE
    ) -> list[States | Failure]:
        """The states of every pair, or why it has none; in order."""
        try:
            prefill, decoding = self._states(prompts, answers, names, batch_size)
        except GenairError as error:
            if len(prompts) == 1:
                return [Failure(str(error))]
            return [self.read([p], [a], [n])[0] for p, a, n in zip(prompts, answers, names, strict=True)]
        return list(zip(prefill, decoding, strict=True))

    def _states(self, prompts: Sequence[str], answers: Sequence[str], names: Sequence[str], batch_size: int) -> States:
        if self._model is not None:
            return embed_texts(self._model, prompts, answers, names=names, batch_size=batch_size)
        assert self._encoder is not None
        return self._encoder.encode(prompts, names=names), self._encoder.encode(answers, names=names)


@dataclass(frozen=True)
class GivenTexts:
    """Texts that are there already, as a `LanguageModel` that answers with them: text i to prompt i, states by the reader.

    So what keeps a language model's texts keeps these. revision: tells these texts from others. Token counts are 0: nothing
    was generated.
    """

    reader: Reader
    texts: Sequence[str]
    revision: str
    model_id: str = EDITED
    backend: str = EDITED

    @property
    def dim(self) -> int:
        return self.reader.dim

    @property
    def precision(self) -> str:
        return self.reader.precision

    @property
    def device(self) -> str:
        return self.reader.device

    @property
    def facts(self) -> dict[str, str]:
        return self.reader.facts

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, *, names: Sequence[str] = ()
    ) -> list[Completion]:
        """One completion for each prompt, in their order. Raises ModelError where a text cannot be read."""
        return in_order(self.generate_batches(prompts, seeds, sampling, names=names))

    def generate_batches(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],  # noqa: ARG002 - nothing is drawn
        sampling: Sampling,  # noqa: ARG002
        batch_size: int = READ_SIZE,
        *,
        names: Sequence[str] = (),
    ) -> Iterator[list[tuple[int, Written]]]:
        """The texts with their states, `batch_size` at a time."""
        names = names or [f"text {index}" for index in range(len(prompts))]
        for start in range(0, len(prompts), batch_size):
            chunk = slice(start, start + batch_size)
            read = self.reader.read(prompts[chunk], self.texts[chunk], names[chunk], batch_size)
            yield [
                (start + k, states if isinstance(states, Failure) else _completion(self.texts[start + k], states))
                for k, states in enumerate(read)
            ]


def _completion(text: str, states: States) -> Completion:
    return Completion(text, 0, 0, "eos", 0.0, *states)
