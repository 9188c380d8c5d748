"""The verb `generate`: a language model writes archetypes for a data set's items, and their states are kept with them.

Work is saved as it goes (`writing`), so that the same call again goes on where an interrupted one stopped. Every item
draws from its own seed, so that its text depends on model, prompt and sampling and not on its order or company, up to rounding
(see `archetypes.sampling`).
"""

from __future__ import annotations

from pydantic import Field

from genair_engine.archetypes.backends import BATCH_SIZE, Sampling
from genair_engine.archetypes.prompts import PAPER
from genair_engine.cluster import language_model
from genair_engine.store.datasets import find_dataset
from genair_engine.verbs.base import Progress, Request, positional, silent
from genair_engine.verbs.texts.prompts import find_prompt
from genair_engine.verbs.texts.text_set import find_or_new_set, writing_to
from genair_engine.verbs.texts.writing import Task, WritingResult, outcome_of, write
from genair_engine.workspace import Workspace


class GenerateRequest(Request):
    """Let a language model write the archetypes of a data set's items."""

    dataset: str = positional("data set")
    model: str = Field(
        description="language model: a folder, a name in models_cache (demo-llama, demo-qwen), a preset such as "
        "qwen2.5-0.5b-instruct, a hub id, or openai:MODEL of the server in GENAIR_OPENAI_BASE_URL"
    )
    reader: str | None = Field(
        None, description="for openai:MODEL: the model on this machine whose states of the texts are kept"
    )
    prompt: str = Field(PAPER.name, description="prompt template: a saved name (its newest version), or a version")
    limit: int | None = Field(None, ge=1, description="only the first so many items of the catalogue [items]")
    sampling: Sampling = Field(default_factory=Sampling, description="how tokens are chosen")
    seed: int = Field(42, ge=0, le=2**31 - 1, description="every item draws from its own seed, made from this and its id")
    batch_size: int = Field(BATCH_SIZE, ge=1, le=4096, description="items written at once, fewer where memory is short")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class GenerateResult(WritingResult):
    """archetypes: id of the set. items: texts it now holds; written: how many of them are new; failed: how many were tried in
    vain, the first few of which are in failures. of: items of the data set."""

    of: int
    tokens: int

    def lines(self) -> list[str]:
        rate = f", {self.tokens / self.seconds:,.0f} tokens/s" if self.seconds and self.tokens else ""
        return [
            f"{self.model} wrote {self.written:,} archetypes for {self.dataset} in {self.seconds:.1f} s{rate}; set "
            f"{self.archetypes} now holds {self.items:,} of {self.of:,} items.",
            *self.failed_lines(),
        ]


def generate(workspace: Workspace, request: GenerateRequest, progress: Progress = silent) -> GenerateResult:
    """Write what is missing. Raises NotFoundError (data set, prompt), InputError where another process writes the set, or
    ModelError where the model cannot be used or writes no item at all.

    An item that fails does not stop the others: it is in the result, and in the database with the reason.
    """
    dataset = workspace.load_dataset(request.dataset)
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        prompt = find_prompt(session, request.prompt)
    model = language_model(workspace.settings, request.model, request.device, request.reader, progress)
    archetypes = find_or_new_set(workspace, owner, model, prompt, request.sampling, request.seed)
    wanted = range(1, min(request.limit or dataset.n_items, dataset.n_items) + 1)
    with writing_to(workspace, archetypes) as there:
        missing = [position for position in wanted if position not in there]
        task = Task(missing, prompt, request.sampling, request.seed, request.batch_size)
        tally = write(workspace, dataset, model, archetypes, task, progress)
    outcome = outcome_of(dataset, archetypes, model.model_id, tally, len(there), "wrote")
    return GenerateResult(**outcome, of=dataset.n_items, tokens=tally.tokens)
