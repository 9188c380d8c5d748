"""The verb `represent`: from states or text embeddings to the frozen item representation E (GenAIR eq. 6–7).

A causal language model is represented by its own states, which `generate` kept. A text encoder embeds the metadata as the
prefill part, the texts that a language model wrote as the decoding part, and on demand the titles as one more part. Where
an item's archetype is pinned (`verbs.pins`), the pinned one is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from genair_engine import __version__
from genair_engine.archetypes import representation
from genair_engine.archetypes.model_folders import ModelFolder, find_model
from genair_engine.archetypes.prompts import PAPER
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError, OutageError
from genair_engine.store import artifacts
from genair_engine.store.archetypes import find_set, states_by, written_positions
from genair_engine.store.keys import new_id
from genair_engine.store.runs import representation_of_job as find_representation_of_job
from genair_engine.store.tables import ArchetypeSetRow, DatasetRow, RepresentationRow
from genair_engine.store.votes import list_pins
from genair_engine.types import States
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.representations.catalogue_states import (
    embedded_states,
    kept_states,
    refuse_other_states,
    require_all,
    texts_with_pins,
)
from genair_engine.verbs.representations.requests import RepresentRequest, RepresentResult
from genair_engine.verbs.texts.writing import item_labels
from genair_engine.workspace import Workspace

LONGEST_STEM = 25
"""Characters of a model's name in a representation's id."""

PIN_ADVICE = "It is pinned: pin one by the same model, take the pin off (`pin DATASET ITEM --off`), or give --ignore-pins."


@dataclass(frozen=True)
class Gathered:
    """What a representation is made from. archetypes: the set, where there is one.

    pinned: item position → set whose archetype is in the place of that set's own.
    """

    states: States
    archetypes: ArchetypeSetRow | None
    pinned: dict[int, ArchetypeSetRow] = field(default_factory=dict)


def represent(workspace: Workspace, request: RepresentRequest, progress: Progress = silent) -> RepresentResult:
    """Fit PCA on every part and keep vectors and bases. Raises InputError where an item has no archetype."""
    dataset = workspace.load_dataset(request.dataset)
    row = workspace.dataset_row(request.dataset)
    folder = find_model(request.model, workspace.settings.models_dir)
    gather = _encoded if folder.is_encoder else _generated
    gathered = gather(workspace, dataset, row, folder, request, progress)
    made = representation.represent(
        gathered.states,
        variance=None if request.components else request.variance,
        components=request.components,
        names=item_labels(dataset.items),
    )
    dims = {part: len(basis.components) for part, basis in made.bases.items()}
    explained = {part: float(basis.explained_ratio.sum()) for part, basis in made.bases.items()}
    kept = _save(workspace, dataset, row, folder, request, gathered, made, dims, explained)
    return represent_result(kept, row)


def represent_result(kept: RepresentationRow, owner: DatasetRow) -> RepresentResult:
    """A representation as it stands in the workspace."""
    return RepresentResult(
        dataset=owner.name,
        representation=kept.id,
        model=kept.model,
        archetypes=kept.archetype_set_id,
        items=owner.n_items,
        dims=kept.dims,
        explained=kept.explained,
        pinned=len(kept.provenance.get("pinned", {})),
    )


def representation_of_job(workspace: Workspace, job: str) -> RepresentResult | None:
    """What a job has made; None where it has made nothing."""
    with workspace.reading() as session:
        rows = find_representation_of_job(session, job)
    return represent_result(*rows) if rows else None


def _generated(
    workspace: Workspace,
    dataset: Dataset,
    row: DatasetRow,
    folder: ModelFolder,
    request: RepresentRequest,
    progress: Progress,  # noqa: ARG001 - loading states is quick
) -> Gathered:
    if request.title:
        raise InputError(f"{folder.model_id!r} is a language model and embeds no titles alone: use an encoder such as minilm.")
    with workspace.reading() as session:
        archetypes = find_set(session, row.id, request.archetypes or folder.model_id)
        model, revision = states_by(archetypes)
        if (model, revision) != (folder.model_id, folder.revision):
            raise InputError(
                f"{folder.model_id!r} is a language model and is represented by its own states, but set {archetypes.id} was "
                f"{'written' if model == archetypes.model else 'read'} by {model!r}, revision {revision[:12]} (here: "
                f"{folder.revision[:12]}). Generate its archetypes, or use an encoder such as minilm."
            )
        pinned = _pinned(session, row, archetypes, request)
        for position, of in pinned.items():
            refuse_other_states(of, archetypes, item_labels(dataset.items.iloc[[position - 1]])[0], PIN_ADVICE)
        require_all(written_positions(session, archetypes.id) | pinned.keys(), dataset, archetypes.model)
    states = kept_states(workspace, dataset, archetypes, pinned)
    return Gathered({part: states[part] for part in _parts(request, list(states))}, archetypes, pinned)


def _encoded(
    workspace: Workspace,
    dataset: Dataset,
    row: DatasetRow,
    folder: ModelFolder,
    request: RepresentRequest,
    progress: Progress,
) -> Gathered:
    available, archetypes, pinned, texts = ["prefill"], None, {}, {}
    if request.archetypes is not None:
        with workspace.reading() as session:
            archetypes = find_set(session, row.id, request.archetypes)
            pinned = _pinned(session, row, archetypes, request)
            texts = texts_with_pins(session, archetypes, pinned)
        require_all(texts.keys(), dataset, archetypes.model)
        available.append("decoding")
    parts = [*_parts(request, available), *(["title"] if request.title else [])]
    return Gathered(embedded_states(folder, dataset, parts, texts, progress), archetypes, pinned)


def _pinned(
    session: Session, dataset: DatasetRow, archetypes: ArchetypeSetRow, request: RepresentRequest
) -> dict[int, ArchetypeSetRow]:
    """Item position → set of its pinned archetype, where that is another set than this one."""
    pins = [] if request.ignore_pins else list_pins(session, dataset.id)
    return {pin.position: of for pin, _, of in pins if of.id != archetypes.id}


def _parts(request: RepresentRequest, available: list[str]) -> list[str]:
    wanted = {None: available, "both": ["prefill", "decoding"]}.get(request.parts, [str(request.parts)])
    missing = [part for part in wanted if part not in available]
    if missing:
        raise InputError(
            f"There is no {missing[0]} part: name whose archetype texts to embed with --archetypes (for example demo-llama)."
        )
    return wanted


def _save(
    workspace: Workspace,
    catalogue: Dataset,
    dataset: DatasetRow,
    folder: ModelFolder,
    request: RepresentRequest,
    gathered: Gathered,
    made: representation.Representation,
    dims: dict[str, int],
    explained: dict[str, float],
) -> RepresentationRow:
    name = f"{folder.model_id.split('/')[-1].lower()[:LONGEST_STEM]}-{new_id()[:6]}"
    archetypes = gathered.archetypes
    provenance: dict[str, Any] = {
        "dataset_hash": dataset.content_hash,
        "model_revision": folder.revision,
        "prompt_version": archetypes.prompt_version if archetypes else PAPER.version,
        "archetypes_by": archetypes.model if archetypes else None,
        "sampling": archetypes.sampling if archetypes else None,
        "seed": archetypes.seed if archetypes else None,
        "components": request.components,
        "pinned": {catalogue.items["item_id"].iloc[place - 1]: of.id for place, of in gathered.pinned.items()},
        "code_version": __version__,
    }
    row = RepresentationRow(
        id=name,
        dataset_id=dataset.id,
        job_id=workspace.job,
        archetype_set_id=archetypes.id if archetypes else None,
        model=folder.model_id,
        revision=folder.revision,
        parts="+".join(dims),
        variance=None if request.components else request.variance,
        dims=dims,
        explained=explained,
        provenance=provenance,
        folder=f"representations/{name}",
    )
    try:
        with artifacts.building(workspace.path(row.folder)) as aside:
            artifacts.save_arrays(aside / "representation.safetensors", made.arrays())
        workspace.publish(row.folder)
        with workspace.session() as session:
            session.add(row)
    except OutageError:
        raise  # perhaps while the row was committed, which may be there then: files that no row names do no harm
    except BaseException:
        workspace.discard(row.folder)
        raise
    return row
