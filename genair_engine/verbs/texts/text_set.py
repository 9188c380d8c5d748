"""The set of texts that a configuration writes to: found or begun, locked while it is written, and its states read back.

A set is what one model wrote under one prompt, sampling and seed; its folder holds an artifact of states for each few hundred
texts. Two processes that begin the same set meet at the same folder, and its lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from genair_engine import __version__
from genair_engine.archetypes.backends import LanguageModel, Sampling
from genair_engine.archetypes.prompts.kind import TextKind
from genair_engine.archetypes.prompts.template import FIELDS, PromptTemplate
from genair_engine.errors import InputError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.store.keys import text_set_key
from genair_engine.store.tables import DatasetRow, TextSetRow
from genair_engine.store.texts import find_set_by_key, written_positions
from genair_engine.types import BoolArray, Float32Array
from genair_engine.workspace import Workspace


def find_or_new_set(
    workspace: Workspace,
    dataset: DatasetRow,
    kind: TextKind,
    model: LanguageModel,
    prompt: PromptTemplate,
    sampling: Sampling | None,
    seed: int,
) -> TextSetRow:
    """The set that this configuration has begun before, or a new one, which becomes a row with its first texts.

    sampling: None where nothing is drawn.
    """
    drawn = sampling.model_dump() if sampling else {}
    used = {**drawn, "precision": model.precision, **model.provenance}
    key = text_set_key(kind.name, model.model_id, model.revision, prompt.version, used, seed)
    with workspace.reading() as session:
        begun = find_set_by_key(session, dataset.id, key)
    name = f"{dataset.id}-{key[:12]}"
    return begun or TextSetRow(
        id=name,
        dataset_id=dataset.id,
        key=key,
        kind=kind.name,
        unit=kind.unit,
        model=model.model_id,
        revision=model.revision,
        backend=model.backend,
        prompt_version=prompt.version,
        prompt={field: getattr(prompt, field) for field in FIELDS},
        sampling=used,
        seed=seed,
        dim=model.dim,
        code_version=__version__,
        folder=f"archetypes/{dataset.name}-{model.model_id.replace('/', '--')[:60]}-{name}",
    )


@contextmanager
def writing_to(workspace: Workspace, text_set: TextSetRow) -> Iterator[set[int]]:
    """Holds the set's lock, and gives the positions that have a text in it already: of items, users or sessions.

    Raises InputError where another process writes the set.
    """
    with free_to_write(workspace, text_set) as there:
        if there is None:
            raise InputError(f"Another process is writing set {text_set.id}: wait for it, or stop it.")
        yield there


@contextmanager
def free_to_write(workspace: Workspace, text_set: TextSetRow) -> Iterator[set[int] | None]:
    """The same, but None where another process writes the set.

    States whose texts never became rows are removed first, and the folder of a set that got no text afterwards.
    """
    with artifacts.locked(workspace.path(text_set.folder)) as ours:
        if not ours:
            yield None
            return
        try:
            with workspace.reading() as session:
                there = written_positions(session, text_set.id)
            _remove_orphans(workspace, text_set, there)
            yield there
        finally:
            _remove_if_nothing_was_saved(workspace, text_set)


def _remove_orphans(workspace: Workspace, text_set: TextSetRow, there: set[int]) -> None:
    """Removes states whose texts never became rows, as the process was ended in between. The caller has the set's lock.

    Those of a chunk become rows together, so that its first item, which the file is named after, tells of all. Where the
    workspace is a URL, only what this machine left is found; what another one left does no harm, as the items are written
    again with the same states.
    """
    for path in workspace.path(text_set.folder).glob("states-*.safetensors"):
        if int(path.name.split("-")[1]) not in there:
            workspace.remove(f"{text_set.folder}/{path.name}")


def _remove_if_nothing_was_saved(workspace: Workspace, text_set: TextSetRow) -> None:
    """Removes the folder of a set that has no states; the caller has its lock."""
    folder = workspace.path(text_set.folder)
    if not any(folder.glob("states-*.safetensors")):
        artifacts.remove(folder)


def states_of(folder: Path, n_rows: int) -> tuple[Float32Array, Float32Array, BoolArray]:
    """Prefill and decoding states of a set ([n_rows, d] each; row k is position k + 1) and which rows are there."""
    chunks = [artifacts.load_arrays(path) for path in sorted(folder.glob("states-*.safetensors"))]
    if not chunks:
        raise WorkspaceError(f"The text set in {folder} has no states; generate it again.")
    dim = chunks[0]["prefill"].shape[1]
    prefill, decoding = (np.zeros((n_rows, dim), dtype=np.float32) for _ in range(2))
    there = np.zeros(n_rows, dtype=bool)
    for chunk in chunks:
        rows = chunk["positions"] - 1
        prefill[rows], decoding[rows], there[rows] = chunk["prefill"], chunk["decoding"], True
    return prefill, decoding, there


def template_of(text_set: TextSetRow) -> PromptTemplate:
    """The prompt that a set was written with. Raises InputError where its wording was not kept whole."""
    name = text_set.prompt_version.rpartition("-")[0]
    try:
        template = PromptTemplate(name=name, **text_set.prompt)
    except TypeError:
        template = None
    if template is None or template.version != text_set.prompt_version:
        raise InputError(
            f"The prompt {text_set.prompt_version} of set {text_set.id} cannot be made again by this version: "
            "generate its texts with a prompt that it knows."
        )
    return template
