"""The verb `represent`: from states or text embeddings to the frozen item representation E (GenAIR eq. 6–7).

A causal language model is represented by its own states, which `generate` kept. A text encoder embeds the metadata as the
prefill part, the texts that a language model wrote as the decoding part, and on demand the titles as one more part. Where
an item's archetype is pinned (`verbs.pins`), the pinned one is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genair_engine import __version__
from genair_engine.archetypes import representation
from genair_engine.archetypes.model_folders import ModelFolder, find_model
from genair_engine.archetypes.parts import Part, Recipe, check_names, parts_of
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.subjects import item_labels
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import OutageError
from genair_engine.store import artifacts
from genair_engine.store.keys import new_id
from genair_engine.store.runs import representation_of_job as find_representation_of_job
from genair_engine.store.tables import DatasetRow, RepresentationRow
from genair_engine.types import Float32Array
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.representations.catalogue_states import (
    Gathered,
    StandIn,
    encoded,
    own_states,
)
from genair_engine.verbs.representations.plan import Plan, plan_encoded, plan_own
from genair_engine.verbs.representations.requests import RepresentRequest, RepresentResult
from genair_engine.verbs.representations.stored import part_file
from genair_engine.workspace import Workspace

LONGEST_STEM = 25
"""Characters of a model's name in a representation's id."""


def represent(workspace: Workspace, request: RepresentRequest, progress: Progress = silent) -> RepresentResult:
    """Fit PCA on every part and keep vectors and bases. Raises InputError where an item has no text and none stands in."""
    dataset = workspace.load_dataset(request.dataset)
    row = workspace.dataset_row(request.dataset)
    folder = find_model(request.model, workspace.settings.models_dir)
    make_plan = plan_encoded if folder.is_encoder else plan_own
    with workspace.reading() as session:
        plan = make_plan(session, dataset, row, folder, request)
    gather = encoded if folder.is_encoder else own_states
    stand_in: StandIn = "nothing" if request.missing == "refuse" else request.missing
    gathered = gather(workspace, dataset, folder, plan.parts, plan.sources, stand_in, progress)
    fitted = _fit(plan.parts, gathered, dataset, folder, request)
    kept = _save(workspace, dataset, row, folder, request, plan, gathered, fitted)
    return represent_result(kept, row)


def represent_result(kept: RepresentationRow, owner: DatasetRow) -> RepresentResult:
    """A representation as it stands in the workspace."""
    without_text = kept.provenance.get("without_text", {})
    return RepresentResult(
        dataset=owner.name,
        representation=kept.id,
        model=kept.model,
        archetypes=kept.text_set_id,
        items=owner.n_items,
        dims=kept.dims,
        explained=kept.explained,
        others={part.name: part.columns for part in parts_of(kept.parts) if part.unit != "item"},
        pinned=len(kept.provenance.get("pinned", {})),
        missing={part: len(ids) for part, ids in without_text.get("parts", {}).items()},
        cut=kept.provenance.get("cut", {}),
        instead=without_text.get("instead"),
    )


def representation_of_job(workspace: Workspace, job: str) -> RepresentResult | None:
    """What a job has made; None where it has made nothing."""
    with workspace.reading() as session:
        rows = find_representation_of_job(session, job)
    return represent_result(*rows) if rows else None


@dataclass(frozen=True)
class Fitted:
    """items: the parts that stand side by side in E. others: name → arrays of a part of users or sessions."""

    items: representation.Representation
    others: dict[str, dict[str, Float32Array]]
    parts: list[Part]


def _fit(
    recipes: list[Recipe], gathered: Gathered, dataset: Dataset, folder: ModelFolder, request: RepresentRequest
) -> Fitted:
    """PCA of every part."""
    check_names([recipe.name for recipe in recipes])
    variance = None if request.components else request.variance
    of_items = {recipe.name: gathered.states[recipe.name] for recipe in recipes if recipe.unit == "item"}
    items = representation.represent(
        of_items, variance=variance, components=request.components, names=item_labels(dataset.items)
    )
    bases, others = dict(items.bases), {}
    for recipe in recipes:
        if recipe.unit != "item":
            states = gathered.states[recipe.name]
            basis = representation.fit_part(states, variance, request.components, part=recipe.name)
            bases[recipe.name] = basis
            others[recipe.name] = representation.Representation(
                representation.project(basis, states), {recipe.name: basis}
            ).arrays()
    parts = [
        Part(
            **vars(recipe),
            columns=len(bases[recipe.name].components),
            explained=float(bases[recipe.name].explained_ratio.sum()),
            model=folder.model_id,
            revision=folder.revision,
        )
        for recipe in recipes
    ]
    return Fitted(items, others, parts)


def _save(
    workspace: Workspace,
    catalogue: Dataset,
    dataset: DatasetRow,
    folder: ModelFolder,
    request: RepresentRequest,
    plan: Plan,
    gathered: Gathered,
    fitted: Fitted,
) -> RepresentationRow:
    name = f"{folder.model_id.split('/')[-1].lower()[:LONGEST_STEM]}-{new_id()[:6]}"
    text_set = plan.text_set
    provenance: dict[str, Any] = {
        "dataset_hash": dataset.content_hash,
        "model_revision": folder.revision,
        "prompt_version": text_set.prompt_version if text_set else PAPER.version,
        "archetypes_by": text_set.model if text_set else None,
        "sampling": text_set.sampling if text_set else None,
        "seed": text_set.seed if text_set else None,
        "components": request.components,
        "pinned": {catalogue.items["item_id"].iloc[place - 1]: of.id for place, of in plan.pinned.items()},
        "cut": gathered.cut,
        "code_version": __version__,
    }
    if gathered.without_text:
        provenance["without_text"] = {"instead": request.missing, "parts": gathered.without_text}
    row = RepresentationRow(
        id=name,
        dataset_id=dataset.id,
        job_id=workspace.job,
        text_set_id=text_set.id if text_set else None,
        model=folder.model_id,
        revision=folder.revision,
        parts=[part.record() for part in fitted.parts],
        variance=None if request.components else request.variance,
        provenance=provenance,
        folder=f"representations/{name}",
    )
    try:
        with artifacts.building(workspace.path(row.folder)) as aside:
            artifacts.save_arrays(aside / "representation.safetensors", fitted.items.arrays())
            for part, arrays in fitted.others.items():
                artifacts.save_arrays(aside / part_file(part), arrays)
        workspace.publish(row.folder)
        with workspace.session() as session:
            session.add(row)
    except OutageError:
        raise  # perhaps while the row was committed, which may be there then: files that no row names do no harm
    except BaseException:
        workspace.discard(row.folder)
        raise
    return row
