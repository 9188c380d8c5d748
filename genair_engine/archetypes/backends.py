"""What writes archetypes and what embeds text: the two backend protocols, their values, and their loading.

A `LanguageModel` writes an item's archetype and gives, from the same call, the mean of its last layer's states over
the prompt (prefill) and over the answer (decoding): stages A and B of GenAIR (eq. 3-5, methods.md 3.1-3.2). An
`Encoder` gives one vector a text. Values in, values out: storing them is another layer's work. PyTorch and
transformers are imported only when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from genair_engine.archetypes.hub import Progress, silent
from genair_engine.archetypes.sources import SERVER_PREFIX, ModelSource, find_model
from genair_engine.errors import InputError, ModelError
from genair_engine.settings import Settings

BATCH_SIZE = 128
"""Prompts that are answered at once. Whatever it is, the texts are the same in float32, and memory is what it costs."""
READ_SIZE = 64
"""Texts that are read at once where no answers are written: whole texts, so that more gain little."""


class Sampling(BaseModel):
    """How the next token is chosen; the defaults are those of the public code (methods.md 3.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(0.6, gt=0, le=2, description="Below 1 prefers likely tokens more; not used when greedy.")
    top_p: float = Field(0.9, gt=0, le=1, description="Draw from the fewest tokens that hold this much probability.")
    repetition_penalty: float = Field(
        1.2, ge=1, le=2, description="Makes tokens of the prompt and of the answer so far less likely; 1 is off."
    )
    max_new_tokens: int = Field(512, ge=1, le=8192, description="Longest answer, in tokens.")
    greedy: bool = Field(False, description="Always take the likeliest token: no randomness, seeds have no effect.")


EDITED = "edited"
"""Model and backend of texts that people wrote (`reader.GivenTexts`)."""


@dataclass(frozen=True)
class Completion:
    """One item's archetype and its states.

    text: the answer without special tokens. prompt_tokens, generated_tokens: how many tokens each mean is over (EOS
    is not counted); for a server's texts, as the server counts them. finish: "eos", or "length" where the answer was cut
    off. seconds: the item's share of the wall time; those of all items together are the whole. prefill, decoding: float32
    [d], means of the last layer's states after the final norm.
    """

    text: str
    prompt_tokens: int
    generated_tokens: int
    finish: Literal["eos", "length"]
    seconds: float
    prefill: NDArray[np.float32]
    decoding: NDArray[np.float32]


@dataclass(frozen=True)
class Failure:
    """Why an item has no archetype, for a person: what was wrong with which item, and what to do."""

    reason: str


Written = Completion | Failure


class LanguageModel(Protocol):
    """A causal language model that writes archetypes. `dim` is d, the width of its last layer."""

    @property
    def model_id(self) -> str: ...

    @property
    def revision(self) -> str:
        """Changes whenever weights, tokenizer or chat template do."""
        ...

    @property
    def dim(self) -> int: ...

    @property
    def backend(self) -> str:
        """What runs the model, e.g. "transformers"."""
        ...

    @property
    def precision(self) -> str:
        """Number format of weights and states, e.g. "float32": states of two formats are not mixed."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, e.g. "cpu" or "NVIDIA H200"."""
        ...

    @property
    def facts(self) -> dict[str, str]:
        """What else makes its texts and states what they are, kept with them: the model that read a server's texts, …"""
        ...

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, *, names: Sequence[str] = ()
    ) -> list[Completion]:
        """One completion for each prompt, in their order. Raises ModelError where a prompt has failed."""
        ...

    def generate_batches(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        sampling: Sampling,
        batch_size: int = BATCH_SIZE,
        *,
        names: Sequence[str] = (),
    ) -> Iterator[list[tuple[int, Written]]]:
        """What is finished as it is finished, in lists of (index into prompts, completion or failure): save as you go.

        Every prompt comes exactly once, in any order; one that fails does not stop the others. seeds: one non-negative integer
        a prompt. batch_size: the most prompts that are answered at once. names: what failures call the prompts (an item's id
        and title); without them they are "prompt 0", "prompt 1", …
        """
        ...


@runtime_checkable
class Streaming(Protocol):
    """A language model that can show an answer while it is written."""

    def stream(self, prompt: str, seed: int, sampling: Sampling, *, name: str = "the prompt") -> Iterator[str | Completion]:
        """The answer so far after every token, and at last the completion: that of `generate`. Raises ModelError."""
        ...


def require_matching(prompts: Sequence[str], seeds: Sequence[int], names: Sequence[str], batch_size: int) -> None:
    """Raises InputError where seeds or names are not as many as prompts, or batches would be empty."""
    if len(seeds) != len(prompts) or (names and len(names) != len(prompts)) or batch_size < 1:
        raise InputError(
            f"{len(prompts)} prompts need as many seeds and names (got {len(seeds)} and {len(names)}) and a batch "
            f"size of at least 1 (got {batch_size})."
        )


def in_order(batches: Iterable[list[tuple[int, Written]]]) -> list[Completion]:
    """The completions of all prompts, in their order. Raises ModelError where one has failed."""
    written = dict(pair for batch in batches for pair in batch)
    for index in sorted(written):
        if isinstance(found := written[index], Failure):
            raise ModelError(found.reason)
    return [found for _, found in sorted(written.items(), key=lambda pair: pair[0]) if isinstance(found, Completion)]


class Encoder(Protocol):
    """A text encoder: one vector of width `dim` a text."""

    @property
    def model_id(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str], *, names: Sequence[str] = ()) -> NDArray[np.float32]:
        """float32 [n, d], row i for text i."""
        ...


def open_language_model(
    settings: Settings, name: str, device: str = "auto", reader: str | None = None, progress: Progress = silent
) -> LanguageModel:
    """The language model of that name, downloaded where it must be: `openai:MODEL` is a server's (`openai_backend`).

    reader: the model on this machine that reads a server's texts. Raises as `load_language_model`, InputError for a reader
    that nobody needs.
    """
    if name.startswith(SERVER_PREFIX):
        from genair_engine.archetypes.openai_backend import ServerModel

        return ServerModel(settings, name, reader, device, progress)
    if reader is not None:
        raise InputError(f"{name!r} reads its own texts: a reader is for models of a server ({SERVER_PREFIX}MODEL).")
    return load_language_model(find_model(name, settings.models_dir, progress), device)


def load_language_model(source: ModelSource, device: str = "auto") -> LanguageModel:
    """The causal LM of a source (see `sources.find_model`) on `device`: "auto" (a GPU if there is one), "cpu",
    "cuda", …

    Raises ModelError where it cannot be found or loaded, or is an encoder; NonFiniteError where weights are NaN or
    infinite.
    """
    if source.is_encoder:
        raise ModelError(f"{source.model_id!r} is a text encoder: it embeds texts but cannot write archetypes.")
    from genair_engine.archetypes.transformers_backend import TransformersModel

    return TransformersModel(source, device)


def load_encoder(source: ModelSource, device: str = "auto") -> Encoder:
    """The sentence-transformers encoder of a source (see `sources.find_model`). Raises ModelError."""
    if not source.is_encoder:
        raise ModelError(f"{source.model_id!r} is no sentence-transformers encoder (it has no modules.json).")
    from genair_engine.archetypes.encoder_backend import SentenceEncoder

    return SentenceEncoder(source, device)
