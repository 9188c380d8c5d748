"""What `generate`, `regenerate` and `embed` are asked and answer: texts that language models or people write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from genair_engine.archetypes.backends import BATCH_SIZE, EMBED_SIZE, Sampling
from genair_engine.archetypes.prompts.archetype import KIND as ARCHETYPE
from genair_engine.archetypes.prompts.registry import find_kind, kinds_in_words
from genair_engine.verbs.base import AsJob, MayBeFolder, ModelName, Record, Request, Result, Verb, positional


class FailedItem(Record):
    """An item (or a user, or a session) that no text could be written of. item: its source id."""

    item: str
    reason: str


class WritingResult(Result):
    """What a call added to a set. archetypes: id of the set; kind: of its texts. model: what wrote the texts, or read them.

    items: texts it now holds; written: how many of them are new; failed: how many were tried in vain, the first few of which
    are in failures.
    """

    dataset: str
    archetypes: str
    kind: str
    model: str
    prompt_version: str
    items: int
    written: int
    failed: int
    failures: list[FailedItem]
    seconds: float

    def failed_lines(self) -> list[str]:
        """What a terminal shows of the items that failed."""
        if not self.failed:
            return []
        head = f"{self.failed:,} {'item' if self.failed == 1 else 'items'} failed; the same command tries again:"
        more = self.failed - len(self.failures)
        rest = [f"  … and {more:,} more."] if more else []
        return [head, *(f"  {failure.reason}" for failure in self.failures), *rest]


class GenerateRequest(Request):
    """Let a language model write archetypes, or texts of another kind, for a data set."""

    dataset: str = positional("data set")
    model: ModelName = Field(
        description="language model: a folder, a name in models_cache (demo-llama, demo-qwen), a preset such as "
        "qwen2.5-0.5b-instruct, a hub id, or openai:MODEL of the server in GENAIR_OPENAI_BASE_URL"
    )
    reader: Annotated[str | None, MayBeFolder()] = Field(
        None, description="for openai:MODEL: the model on this machine whose states of the texts are kept"
    )
    kind: str = Field(ARCHETYPE.name, description=f"kind of text: {kinds_in_words()}")
    prompt: str | None = Field(
        None,
        description="prompt template: a saved name (its newest version), or a version; by default the kind's own (of "
        f"archetypes: {ARCHETYPE.template.name})",
    )
    limit: int | None = Field(None, ge=1, description="only the first so many items of the catalogue [items]")
    sampling: Sampling = Field(default_factory=Sampling, description="how tokens are chosen")
    seed: int = Field(42, ge=0, le=2**31 - 1, description="every item draws from its own seed, made from this and its id")
    batch_size: int = Field(BATCH_SIZE, ge=1, le=4096, description="items written at once, fewer where memory is short")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class GenerateResult(WritingResult):
    """archetypes: id of the set; kind: of its texts. items: texts it now holds; written: how many of them are new; failed: how
    many were tried in vain, the first few of which are in failures. of: items (users, sessions) of the data set."""

    of: int
    tokens: int

    def lines(self) -> list[str]:
        rate = f", {self.tokens / self.seconds:,.0f} tokens/s" if self.seconds and self.tokens else ""
        return [
            f"{self.model} wrote {self.written:,} {self.kind}s for {self.dataset} in {self.seconds:.1f} s{rate}; set "
            f"{self.archetypes} now holds {self.items:,} of {self.of:,} {find_kind(self.kind).unit}s.",
            *self.failed_lines(),
        ]


class RegenerateRequest(Request):
    """Let a language model write one item's archetype anew, or its text of another kind; versions that are there stay."""

    dataset: str = positional("data set")
    item: str = positional("source id of the item")
    model: ModelName = Field(
        description="language model: a folder, a name in models_cache (demo-llama, demo-qwen) or a hub id"
    )
    kind: str = Field(ARCHETYPE.name, description=f"kind of text, of those about items: {kinds_in_words()}")
    prompt: str | None = Field(
        None, description="prompt template: a saved name (its newest version), or a version; by default the kind's own"
    )
    sampling: Sampling = Field(default_factory=Sampling, description="how tokens are chosen")
    reader: Annotated[str | None, MayBeFolder()] = Field(
        None, description="for openai:MODEL: the model on this machine that reads the text"
    )
    seed: int | None = Field(
        None, ge=0, le=2**31 - 1, description="as of `generate`; by default the first from 42 on that gives a new version"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class RegenerateResult(Result):
    """The new version. archetypes: the set that it is in."""

    dataset: str
    item: str
    archetypes: str
    model: str
    prompt_version: str
    seed: int
    text: str
    finish: str
    tokens: int
    seconds: float

    def lines(self) -> list[str]:
        how = f"{self.tokens:,} tokens in {self.seconds:.1f} s, seed {self.seed}, prompt {self.prompt_version}"
        return [
            self.text,
            "",
            f"{self.model} wrote this for item {self.item} of {self.dataset} ({how}): set {self.archetypes}.",
        ]


class EmbedRequest(Request):
    """Keep texts that people wrote or edited, with the states of a model that reads them."""

    dataset: str = positional("data set")
    model: ModelName = Field(description="language model (or encoder) that reads them, as for `generate`")
    texts: Path | None = Field(None, description="CSV file (or .jsonl) with the columns item_id and text")
    text: dict[str, str] = Field({}, description="a text without a file: item id = text; may be given several times")
    kind: str = Field(ARCHETYPE.name, description=f"kind of the texts: {kinds_in_words()}")
    prompt: str | None = Field(
        None, description="prompt that the texts answer: a saved name, or a version; by default the kind's own"
    )
    batch_size: int = Field(EMBED_SIZE, ge=1, le=4096, description="texts read at once")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class EmbedResult(WritingResult):
    """archetypes: id of the set. items: texts it now holds; written: how many of them are new. model: what read them."""

    def lines(self) -> list[str]:
        return [
            f"{self.model} read {self.written:,} texts for {self.dataset} in {self.seconds:.1f} s; set {self.archetypes} now "
            f"holds {self.items:,}.",
            *self.failed_lines(),
        ]


def generation_title(request: GenerateRequest) -> str:
    """What is written, by what, with which prompt, and of how many items."""
    prompt = f", prompt {request.prompt}" if "prompt" in request.model_fields_set else ""
    first = f", first {request.limit:,} items" if request.limit else ""
    return f"Write {request.kind}s of {request.dataset} with {request.model}{prompt}{first}"


GENERATE = Verb(
    "generate",
    GenerateRequest,
    GenerateResult,
    run="genair_engine.verbs.texts.generate:generate",
    role="write",
    audited=True,
    job=AsJob(generation_title, check="genair_engine.verbs.texts.generate:check_generate"),
)
REGENERATE = Verb(
    "regenerate",
    RegenerateRequest,
    RegenerateResult,
    run="genair_engine.verbs.texts.regenerate:regenerate",
    role="write",
    audited=True,
)
EMBED = Verb(
    "embed",
    EmbedRequest,
    EmbedResult,
    run="genair_engine.verbs.texts.embed:embed",
    role="write",
    audited=True,
    job=AsJob(
        lambda request: f"Embed texts for {request.dataset} with {request.model}",
        check="genair_engine.verbs.texts.embed:check_embed",
    ),
)
