"""A model on this machine that embeds texts which it did not write: a server's, or a person's.

A causal language model reads prompt and text in one teacher-forced pass, an encoder reads the two one by one. A pair that
cannot be read fails alone. `provenance` names the model in what is kept: the states of two models are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from genair_engine.archetypes.backends import EDITED, EMBED_SIZE, Completion, Encoder, Failure, LanguageModel, Work, Written
from genair_engine.errors import GenairError
from genair_engine.types import Float32Array

Pair = tuple[Float32Array, Float32Array]
"""Prefill and decoding states: [d] of one prompt and its text, or [n, d] of many."""


class Embedder:
    """A loaded language model or encoder, used to read."""

    def __init__(self, model: LanguageModel | Encoder) -> None:
        self._model = model
        self.model_id, self.device, self.dim = model.model_id, model.device, model.dim
        self.precision = model.precision if isinstance(model, LanguageModel) else "float32"
        role = "reader" if isinstance(model, LanguageModel) else "encoder"
        self.provenance = {role: model.model_id, f"{role}_revision": model.revision}

    def embed(
        self, prompts: Sequence[str], texts: Sequence[str], names: Sequence[str], batch_size: int = EMBED_SIZE
    ) -> list[Pair | Failure]:
        """The states of every pair, or why it has none; in order."""
        try:
            prefill, decoding = self._states(prompts, texts, names, batch_size)
        except GenairError as error:
            if len(prompts) == 1:
                return [Failure(str(error))]
            return [self.embed([p], [t], [n])[0] for p, t, n in zip(prompts, texts, names, strict=True)]
        return list(zip(prefill, decoding, strict=True))

    def _states(self, prompts: Sequence[str], texts: Sequence[str], names: Sequence[str], batch_size: int) -> Pair:
        if isinstance(self._model, LanguageModel):
            return self._model.embed(prompts, texts, names=names, batch_size=batch_size)
        return self._model.encode(prompts, names=names), self._model.encode(texts, names=names)


class GivenTexts(LanguageModel):
    """Texts that are there already, as a `LanguageModel` that answers with them: text i to prompt i, states by the embedder.

    So what keeps a language model's texts keeps these. revision: tells these texts from others. Token counts are 0: nothing
    was generated, and seeds and sampling have no effect.
    """

    def __init__(self, embedder: Embedder, texts: Sequence[str], revision: str) -> None:
        self._embedder, self._texts = embedder, texts
        self.model_id = self.backend = EDITED
        self.revision = revision
        self.dim, self.precision, self.device = embedder.dim, embedder.precision, embedder.device
        self.provenance = embedder.provenance

    def answer(self, work: Work) -> Iterator[list[tuple[int, Written]]]:
        """The texts with their states, `batch_size` at a time."""
        for start in range(0, len(work.prompts), work.batch_size):
            chunk = slice(start, start + work.batch_size)
            texts = self._texts[chunk]
            pairs = self._embedder.embed(work.prompts[chunk], texts, work.labels[chunk], work.batch_size)
            yield [
                (start + k, pair if isinstance(pair, Failure) else Completion(text, 0, 0, "eos", 0.0, *pair))
                for k, (text, pair) in enumerate(zip(texts, pairs, strict=True))
            ]
