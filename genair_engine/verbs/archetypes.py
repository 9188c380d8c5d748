"""The verb `generate`: a language model writes archetypes for a data set's items, and their states are kept with them.

Work is saved as it goes: every few hundred items their states become an artifact and then their texts become rows, so an
interrupted call loses little, and the same call again goes on where it stopped. Every item draws from its own seed, so that
its text depends on model, prompt and sampling and not on its order or company, up to rounding (see `archetypes.sampling`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from genair_engine import __version__
from genair_engine.archetypes.backends import BATCH_SIZE, Completion, LanguageModel, Sampling
from genair_engine.archetypes.prompts import PAPER
from genair_engine.catalog.dataset import Dataset
from genair_engine.cluster import language_model
from genair_engine.errors import InputError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.store.archetypes import find_set_by_key, written_positions
from genair_engine.store.keys import archetype_key, new_id
from genair_engine.store.tables import ArchetypeRow, ArchetypeSetRow, DatasetRow
from genair_engine.verbs.base import Progress, Request, Result, positional, silent
from genair_engine.workspace import Workspace

SAVE_EVERY = 256
"""Items whose states share an artifact: at most this many are written again after an interruption."""


class GenerateRequest(Request):
    """Let a language model write the archetypes of a data set's items."""

    dataset: str = positional("data set")
    model: str = Field(description="language model: a folder, a name in models_cache (demo-llama, demo-qwen) or a hub id")
    limit: int | None = Field(None, ge=1, description="only the first so many items of the catalogue [items]")
    sampling: Sampling = Field(default_factory=Sampling, description="how tokens are chosen")
    seed: int = Field(42, ge=0, le=2**31 - 1, description="every item draws from its own seed, made from this and its id")
    batch_size: int = Field(BATCH_SIZE, ge=1, le=4096, description="items written at once; changes speed and memory")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class GenerateResult(Result):
    """archetypes: id of the set. items: texts it now holds; written: how many of them are new."""

    dataset: str
    archetypes: str
    model: str
    prompt_version: str
    items: int
    written: int
    of: int
    tokens: int
    seconds: float

    def lines(self) -> list[str]:
        rate = f", {self.tokens / self.seconds:,.0f} tokens/s" if self.seconds and self.tokens else ""
        return [
            f"{self.model} wrote {self.written:,} archetypes for {self.dataset} in {self.seconds:.1f} s{rate}; set "
            f"{self.archetypes} now holds {self.items:,} of {self.of:,} items."
        ]


def generate(workspace: Workspace, request: GenerateRequest, progress: Progress = silent) -> GenerateResult:
    """Write what is missing. Raises NotFoundError, ModelError, or NonFiniteError that names the first bad item."""
    dataset = workspace.load_dataset(request.dataset)
    row = workspace.dataset_row(request.dataset)
    model = language_model(workspace.settings, request.model, request.device)
    archetypes = _find_or_new_set(workspace, row, model, request)
    with artifacts.locked(workspace.path(archetypes.folder)) as ours:
        if not ours:
            raise InputError(f"Another process is writing these archetypes of {row.name!r}: wait for it, or stop it.")
        try:
            return _write_missing(workspace, dataset, model, archetypes, request, progress)
        finally:
            _remove_if_nothing_was_saved(workspace, archetypes)


def _write_missing(
    workspace: Workspace,
    dataset: Dataset,
    model: LanguageModel,
    archetypes: ArchetypeSetRow,
    request: GenerateRequest,
    progress: Progress,
) -> GenerateResult:
    with workspace.reading() as session:
        there = written_positions(session, archetypes.id)
    wanted = range(1, min(request.limit or dataset.n_items, dataset.n_items) + 1)
    missing = [position for position in wanted if position not in there]

    started, tokens, written = time.perf_counter(), 0, 0
    progress(0, len(missing), f"{model.model_id} writes archetypes")
    with closing(_completions(model, dataset, missing, request)) as chunks:
        for chunk in chunks:
            _save(workspace, archetypes, chunk)
            written += len(chunk)
            tokens += sum(completion.generated_tokens for _, completion in chunk)
            progress(written, len(missing), f"{model.model_id} writes archetypes")
    return GenerateResult(
        dataset=dataset.name,
        archetypes=archetypes.id,
        model=model.model_id,
        prompt_version=PAPER.version,
        items=len(there) + written,
        written=written,
        of=dataset.n_items,
        tokens=tokens,
        seconds=time.perf_counter() - started,
    )


def item_seed(seed: int, item_id: str) -> int:
    """The seed of one item's text, from the call's seed and the item's source id (31 bits)."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{item_id}".encode()).digest()[:4], "big") >> 1


def item_labels(items: pd.DataFrame) -> list[str]:
    """How errors name items: source id and title."""
    pairs = zip(items["item_id"], items["title"], strict=True)
    return [f"item {item_id!r} ({title[:60] or 'no title'})" for item_id, title in pairs]


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


def _find_or_new_set(
    workspace: Workspace, dataset: DatasetRow, model: LanguageModel, request: GenerateRequest
) -> ArchetypeSetRow:
    """The set that this request has begun before, or a new one, which becomes a row with its first texts."""
    sampling = {**request.sampling.model_dump(), "precision": model.precision}
    key = archetype_key(model.model_id, model.revision, PAPER.version, sampling, request.seed)
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
        prompt_version=PAPER.version,
        prompt={"instruction": PAPER.instruction, "attribute": PAPER.attribute, "question": PAPER.question},
        sampling=sampling,
        seed=request.seed,
        dim=model.dim,
        code_version=__version__,
        folder=f"archetypes/{dataset.name}-{model.model_id.replace('/', '--')[:60]}-{name}",
    )


def _remove_if_nothing_was_saved(workspace: Workspace, archetypes: ArchetypeSetRow) -> None:
    folder = workspace.path(archetypes.folder)
    if not any(folder.glob("states-*.safetensors")):
        artifacts.remove(folder)


def _completions(
    model: LanguageModel, dataset: Dataset, positions: list[int], request: GenerateRequest
) -> Generator[list[tuple[int, Completion]]]:
    """Finished (position, completion) pairs, `SAVE_EVERY` or a few more at a time."""
    items = dataset.items.iloc[[position - 1 for position in positions]]
    batches = model.generate_batches(
        [PAPER.render(attributes) for attributes in items["attributes"]],
        [item_seed(request.seed, item_id) for item_id in items["item_id"]],
        request.sampling,
        request.batch_size,
        names=item_labels(items),
    )
    chunk: list[tuple[int, Completion]] = []
    for batch in batches:
        chunk += [(positions[index], completion) for index, completion in batch]
        if len(chunk) >= SAVE_EVERY:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _save(workspace: Workspace, archetypes: ArchetypeSetRow, chunk: list[tuple[int, Completion]]) -> None:
    """States first, rows second: a text in the database always has its states."""
    name = f"{archetypes.folder}/states-{chunk[0][0]:08d}-{new_id()}.safetensors"
    artifacts.save_arrays(
        workspace.path(name),
        {
            "positions": np.array([position for position, _ in chunk], dtype=np.int64),
            "prefill": np.stack([completion.prefill for _, completion in chunk]),
            "decoding": np.stack([completion.decoding for _, completion in chunk]),
        },
    )
    workspace.publish(name)
    with workspace.session() as session:
        session.merge(archetypes)
        session.flush()
        session.add_all(
            ArchetypeRow(
                set_id=archetypes.id,
                position=position,
                text=completion.text,
                prompt_tokens=completion.prompt_tokens,
                generated_tokens=completion.generated_tokens,
                finish=completion.finish,
                seconds=completion.seconds,
            )
            for position, completion in chunk
        )
