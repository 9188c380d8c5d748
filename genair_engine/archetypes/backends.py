"""What writes texts and what embeds them: the two kinds of backend and their values.

A `LanguageModel` writes a text and gives, from the same call, the mean of its last layer's states over the prompt
(prefill) and over the answer (decoding): stages A and B of GenAIR (eq. 3-5, methods.md 3.1-3.2). An `Encoder` gives one
vector a text. Values in, values out: storing them is another layer's work. Nothing here needs PyTorch; `loading` gives a
backend by a model's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from genair_engine.errors import InputError, ModelError
from genair_engine.types import Float32Array

BATCH_SIZE = 128
"""Prompts that are answered at once. Whatever it is, the texts are the same in float32, and memory is what it costs."""
EMBED_SIZE = 64
"""Texts that are read at once where no answers are written: whole texts, so that more gain little."""
EDITED = "edited"
"""Model and backend of texts that people wrote (`embedder.GivenTexts`)."""


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


@dataclass(frozen=True)
class Completion:
    """One answer and its states.

    text: the answer without special tokens. prompt_tokens, generated_tokens: how many tokens each mean is over (EOS
    is not counted); for a server's texts, as the server counts them. finish: "eos", or "length" where the answer was cut
    off. seconds: the answer's share of the wall time; those of all answers together are the whole. prefill, decoding:
    float32 [d], means of the last layer's states after the final norm.
    """

    text: str
    prompt_tokens: int
    generated_tokens: int
    finish: Literal["eos", "length"]
    seconds: float
    prefill: Float32Array
    decoding: Float32Array


@dataclass(frozen=True)
class Failure:
    """Why there is no answer to a prompt, for a person: what was wrong with which item, and what to do."""

    reason: str


Written = Completion | Failure


@dataclass(frozen=True)
class Work:
    """Prompts to be answered, and how.

    prompts: user messages. seeds: one non-negative integer a prompt. batch_size: the most prompts that are answered at once.
    labels: what failures call the prompts. Raises InputError where they are not equally many, or batches would be empty.
    """

    prompts: Sequence[str]
    seeds: Sequence[int]
    sampling: Sampling
    batch_size: int
    labels: Sequence[str]

    def __post_init__(self) -> None:
        if not len(self.prompts) == len(self.seeds) == len(self.labels) or self.batch_size < 1:
            raise InputError(
                f"{len(self.prompts)} prompts need as many seeds and names (got {len(self.seeds)} and {len(self.labels)}) and "
                f"a batch size of at least 1 (got {self.batch_size})."
            )


class LanguageModel(ABC):
    """A causal language model that writes texts.

    model_id: the name to record. revision: changes whenever weights, tokenizer or chat template do. dim: d, the width of its
    last layer. backend: what runs the model, e.g. "transformers". precision: number format of weights and states, e.g.
    "float32": states of two formats are not mixed. device: what it runs on, e.g. "cpu" or "NVIDIA H200". provenance: what
    else makes its texts and states what they are, kept with them: the model that read a server's texts, …
    """

    model_id: str
    revision: str
    dim: int
    backend: str
    precision: str
    device: str
    provenance: Mapping[str, str]

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
        """What is finished as it is finished, in lists of (index into prompts, completion or failure): save as you go.

        Every prompt comes exactly once, in any order; one that fails does not stop the others. Close the iterator to end the
        work. seeds: one non-negative integer a prompt. batch_size: the most prompts that are answered at once. names: what
        failures call the prompts (an item's id and title); without them they are "prompt 0", "prompt 1", …

        Raises InputError where seeds, names or batch size do not fit, ModelError where the work cannot go on (no memory, a
        server that refuses), OutageError where a cluster fails.
        """
        labels = names or [f"prompt {index}" for index in range(len(prompts))]
        return self.answer(Work(prompts, seeds, sampling, batch_size, labels))

    @abstractmethod
    def answer(self, work: Work) -> Iterator[list[tuple[int, Written]]]:
        """What a backend does for `generate_batches`."""

    def embed(
        self,
        prompts: Sequence[str],  # noqa: ARG002
        texts: Sequence[str],  # noqa: ARG002
        *,
        names: Sequence[str] = (),  # noqa: ARG002
        batch_size: int = EMBED_SIZE,  # noqa: ARG002
    ) -> tuple[Float32Array, Float32Array]:
        """Prefill and decoding states, float32 [n, d] each, of n given answers to n prompts, as if it had written them.

        names: what errors call the pairs. Raises InputError where an answer is empty or does not fit behind its prompt into
        the model's positions, ModelError for a model that is not on this machine or too small a GPU, NonFiniteError.
        """
        raise ModelError(
            f"{self.model_id} is not on this machine: only a model that is can read a text that it did not write."
        )


@runtime_checkable
class Streaming(Protocol):
    """A language model that can show an answer while it is written."""

    def stream(self, prompt: str, seed: int, sampling: Sampling, *, name: str = "the prompt") -> Iterator[str | Completion]:
        """The answer so far after every token, and at last the completion: that of `generate`. Raises ModelError."""
        ...


class Encoder(Protocol):
    """A text encoder: one vector of width `dim` a text. device: what it runs on."""

    model_id: str
    revision: str
    dim: int
    device: str

    def encode(self, texts: Sequence[str], *, names: Sequence[str] = ()) -> Float32Array:
        """float32 [n, d], row i for text i."""
        ...

    def count_cut(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than it reads, so that their end has no part in their vectors."""
        ...


def in_order(batches: Iterable[list[tuple[int, Written]]]) -> list[Completion]:
    """The completions of all prompts, in their order. Raises ModelError where one has failed."""
    completions = []
    for _, written in sorted((pair for batch in batches for pair in batch), key=lambda pair: pair[0]):
        if isinstance(written, Failure):
            raise ModelError(written.reason)
        completions.append(written)
    return completions
