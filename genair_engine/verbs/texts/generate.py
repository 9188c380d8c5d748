"""The verb `generate`: a language model writes archetypes for a data set's items, and their states are kept with them.

Work is saved as it goes (`writing`), so that the same call again goes on where an interrupted one stopped. Every item
draws from its own seed, so that its text depends on model, prompt and sampling and not on its order or company, up to rounding
(see `archetypes.sampling`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from genair_engine import __version__
from genair_engine.archetypes.backends import BATCH_SIZE, LanguageModel, Sampling
from genair_engine.archetypes.prompts import PAPER, PARTS, PromptTemplate
from genair_engine.catalog.dataset import Dataset
from genair_engine.cluster import language_model
from genair_engine.errors import InputError, ModelError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.store.archetypes import find_set_by_key, written_positions
from genair_engine.store.keys import archetype_key
from genair_engine.store.tables import ArchetypeSetRow, DatasetRow
from genair_engine.verbs.base import Progress, Record, Request, Result, positional, silent
from genair_engine.verbs.texts.prompts import find_prompt
from genair_engine.verbs.texts.writing import Tally, Task, remove_orphans, write
from genair_engine.workspace import Workspace

NAMED_FAILURES = 5
"""Failed items that a result names."""


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


class FailedItem(Record):
    """An item that no archetype could be written of. item: its source id."""

    item: str
    reason: str


class GenerateResult(Result):
    """archetypes: id of the set. items: texts it now holds; written: how many of them are new; failed: how many were tried in
    vain, the first few of which are in failures."""

    dataset: str
    archetypes: str
    model: str
    prompt_version: str
    items: int
    written: int
    failed: int
    failures: list[FailedItem]
    of: int
    tokens: int
    seconds: float

    def lines(self) -> list[str]:
        rate = f", {self.tokens / self.seconds:,.0f} tokens/s" if self.seconds and self.tokens else ""
        return [
            f"{self.model} wrote {self.written:,} archetypes for {self.dataset} in {self.seconds:.1f} s{rate}; set "
            f"{self.archetypes} now holds {self.items:,} of {self.of:,} items.",
            *failed_lines(self.failed, self.failures),
        ]


def generate(workspace: Workspace, request: GenerateRequest, progress: Progress = silent) -> GenerateResult:
    """Write what is missing. Raises NotFoundError (data set, prompt), or ModelError where the model cannot be used or writes
    no item at all.

    An item that fails does not stop the others: it is in the result, and in the database with the reason.
    """
    dataset = workspace.load_dataset(request.dataset)
    row = workspace.dataset_row(request.dataset)
    with workspace.reading() as session:
        prompt = find_prompt(session, request.prompt)
    model = language_model(workspace.settings, request.model, request.device, request.reader, progress)
    archetypes = find_or_new_set(workspace, row, model, prompt, request.sampling, request.seed)
    with artifacts.locked(workspace.path(archetypes.folder)) as ours:
        if not ours:
            raise InputError(f"Another process is writing these archetypes of {row.name!r}: wait for it, or stop it.")
        try:
            return _write_missing(workspace, dataset, model, archetypes, prompt, request, progress)
        finally:
            remove_if_nothing_was_saved(workspace, archetypes)


def _write_missing(
    workspace: Workspace,
    dataset: Dataset,
    model: LanguageModel,
    archetypes: ArchetypeSetRow,
    prompt: PromptTemplate,
    request: GenerateRequest,
    progress: Progress,
) -> GenerateResult:
    with workspace.reading() as session:
        there = written_positions(session, archetypes.id)
    remove_orphans(workspace, archetypes, there)
    wanted = range(1, min(request.limit or dataset.n_items, dataset.n_items) + 1)
    missing = [position for position in wanted if position not in there]
    task = Task(missing, prompt, request.sampling, request.seed, request.batch_size)
    tally = write(workspace, dataset, model, archetypes, task, progress)
    failures = failed_items(dataset, tally)
    if failures and not there and not tally.written:
        raise ModelError(f"{model.model_id} wrote none of the {len(failures):,} items. The first: {failures[0].reason}")
    return GenerateResult(
        dataset=dataset.name,
        archetypes=archetypes.id,
        model=model.model_id,
        prompt_version=prompt.version,
        items=len(there) + tally.written,
        written=tally.written,
        failed=len(failures),
        failures=failures[:NAMED_FAILURES],
        of=dataset.n_items,
        tokens=tally.tokens,
        seconds=tally.seconds,
    )


def failed_items(dataset: Dataset, tally: Tally) -> list[FailedItem]:
    """What could not be written, in the catalogue's order."""
    ids = dataset.items["item_id"]
    return [FailedItem(item=ids.iloc[position - 1], reason=reason) for position, reason in sorted(tally.failed.items())]


def failed_lines(failed: int, failures: list[FailedItem]) -> list[str]:
    """What a terminal shows of them."""
    if not failed:
        return []
    head = f"{failed:,} {'item' if failed == 1 else 'items'} failed; the same command tries again:"
    more = failed - len(failures)
    return [head, *(f"  {failure.reason}" for failure in failures), *([f"  … and {more:,} more."] if more else [])]


def states_of(folder: Path, n_items: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Prefill and decoding states of a set ([n_items, d] each; row k is item k + 1) and which rows are there."""
    chunks = [artifacts.load_arrays(path) for path in sorted(folder.glob("states-*.safetensors"))]
    if not chunks:
        raise WorkspaceError(f"The archetype set in {folder} has no states; generate it again.")
    dim = chunks[0]["prefill"].shape[1]
    prefill, decoding = (np.zeros((n_items, dim), dtype=np.float32) for _ in range(2))
    there = np.zeros(n_items, dtype=bool)
    for chunk in chunks:
        rows = chunk["positions"] - 1
        prefill[rows], decoding[rows], there[rows] = chunk["prefill"], chunk["decoding"], True
    return prefill, decoding, there


def find_or_new_set(
    workspace: Workspace,
    dataset: DatasetRow,
    model: LanguageModel,
    prompt: PromptTemplate,
    sampling: Sampling | None,
    seed: int,
) -> ArchetypeSetRow:
    """The set that this configuration has begun before, or a new one, which becomes a row with its first texts.

    sampling: None where nothing is drawn.
    """
    drawn = sampling.model_dump() if sampling else {}
    used = {**drawn, "precision": model.precision, **model.facts}
    key = archetype_key(model.model_id, model.revision, prompt.version, used, seed)
    with workspace.reading() as session:
        found = find_set_by_key(session, dataset.id, key)
    name = f"{dataset.id}-{key[:12]}"  # two processes that begin the same set meet at the same folder, and its lock
    return found or ArchetypeSetRow(
        id=name,
        dataset_id=dataset.id,
        key=key,
        model=model.model_id,
        revision=model.revision,
        backend=model.backend,
        prompt_version=prompt.version,
        prompt={part: getattr(prompt, part) for part in PARTS},
        sampling=used,
        seed=seed,
        dim=model.dim,
        code_version=__version__,
        folder=f"archetypes/{dataset.name}-{model.model_id.replace('/', '--')[:60]}-{name}",
    )


def remove_if_nothing_was_saved(workspace: Workspace, archetypes: ArchetypeSetRow) -> None:
    """Removes the folder of a set that has no states; the caller has its lock."""
    folder = workspace.path(archetypes.folder)
    if not any(folder.glob("states-*.safetensors")):
        artifacts.remove(folder)
