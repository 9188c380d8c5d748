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
from genair_engine.archetypes.prompts import PARTS, PromptTemplate
from genair_engine.errors import InputError, WorkspaceError
from genair_engine.store import artifacts
from genair_engine.store.archetypes import find_set_by_key, written_positions
from genair_engine.store.keys import archetype_key
from genair_engine.store.tables import ArchetypeSetRow, DatasetRow
from genair_engine.types import BoolArray, Float32Array
from genair_engine.workspace import Workspace


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
    used = {**drawn, "precision": model.precision, **model.provenance}
    key = archetype_key(model.model_id, model.revision, prompt.version, used, seed)
    with workspace.reading() as session:
        begun = find_set_by_key(session, dataset.id, key)
    name = f"{dataset.id}-{key[:12]}"
    return begun or ArchetypeSetRow(
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


@contextmanager
def writing_to(workspace: Workspace, archetypes: ArchetypeSetRow) -> Iterator[set[int]]:
    """Holds the set's lock, and gives the items that have a text in it already. Raises InputError where another process
    writes the set.
    """
    with free_to_write(workspace, archetypes) as there:
        if there is None:
            raise InputError(f"Another process is writing set {archetypes.id}: wait for it, or stop it.")
        yield there


@contextmanager
def free_to_write(workspace: Workspace, archetypes: ArchetypeSetRow) -> Iterator[set[int] | None]:
    """The same, but None where another process writes the set.

    States whose texts never became rows are removed first, and the folder of a set that got no text afterwards.
    """
    with artifacts.locked(workspace.path(archetypes.folder)) as ours:
        if not ours:
            yield None
            return
        try:
            with workspace.reading() as session:
                there = written_positions(session, archetypes.id)
            _remove_orphans(workspace, archetypes, there)
            yield there
        finally:
            _remove_if_nothing_was_saved(workspace, archetypes)


def _remove_orphans(workspace: Workspace, archetypes: ArchetypeSetRow, there: set[int]) -> None:
    """Removes states whose texts never became rows, as the process was ended in between. The caller has the set's lock.

    Those of a chunk become rows together, so that its first item, which the file is named after, tells of all. Where the
    workspace is a URL, only what this machine left is found; what another one left does no harm, as the items are written
    again with the same states.
    """
    for path in workspace.path(archetypes.folder).glob("states-*.safetensors"):
        if int(path.name.split("-")[1]) not in there:
            workspace.remove(f"{archetypes.folder}/{path.name}")


def _remove_if_nothing_was_saved(workspace: Workspace, archetypes: ArchetypeSetRow) -> None:
    """Removes the folder of a set that has no states; the caller has its lock."""
    folder = workspace.path(archetypes.folder)
    if not any(folder.glob("states-*.safetensors")):
        artifacts.remove(folder)


def states_of(folder: Path, n_items: int) -> tuple[Float32Array, Float32Array, BoolArray]:
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
