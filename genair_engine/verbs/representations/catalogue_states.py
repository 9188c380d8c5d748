"""The states of a catalogue that a representation's parts are fitted on: kept by a language model, or an encoder's.

Where an item's archetype is pinned (`verbs.pins`), text and states are those of the pinned one. An item (or a user, or a
session) without a text stops the work, unless something shall stand in for it: its metadata, read in the text's place, or the
mean of the others, which says nothing of it. What a stored representation was made of is found again by the same functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from genair_engine.archetypes.loading import load_encoder, load_language_model
from genair_engine.archetypes.model_folders import ModelFolder, find_model
from genair_engine.archetypes.parts import Recipe, parts_of
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.prompts.registry import find_kind
from genair_engine.archetypes.prompts.template import PromptTemplate, attribute_sentences
from genair_engine.archetypes.subjects import Subjects, subjects
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.store.tables import DatasetRow, RepresentationRow, TextSetRow
from genair_engine.store.texts import states_by
from genair_engine.types import Float32Array, IntArray, States
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.representations.text_sources import TextSource, sources_of
from genair_engine.verbs.texts.text_set import states_of, template_of
from genair_engine.workspace import Workspace

ENCODE_CHUNK = 512
"""Texts between two reports of progress."""
UNKNOWN = f"unknown {PAPER.noun}"
"""What an encoder reads where there is nothing."""

StandIn = Literal["nothing", "metadata", "mean"]
"""What stands in for a text that is missing."""


@dataclass
class Gathered:
    """states: part → [n, d]. without_text: part → source ids that something stands in for. cut: part → how many texts the
    encoder read only the beginning of."""

    states: States = field(default_factory=dict)
    without_text: dict[str, list[str]] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)


def metadata_text(attributes: Mapping[str, str], template: PromptTemplate = PAPER) -> str:
    """What an encoder reads of an item: the attribute sentences of the prompt, without instruction and question."""
    return " ".join(attribute_sentences(attributes, template.attribute, template.noun)) or f"unknown {template.noun}"


def catalogue_states(workspace: Workspace, owner: DatasetRow, row: RepresentationRow, progress: Progress = silent) -> States:
    """The states that the item parts of a stored representation were fitted on, part -> [n_items, d]: kept ones, or an
    encoder's made anew.

    Raises InputError where texts are no longer there, the encoder is not the one of then, or a part is an array of others.
    """
    dataset = workspace.load_dataset(owner.name)
    parts = [part for part in parts_of(row.parts) if part.unit == "item"]
    for part in parts:
        if part.reads == "array":
            raise InputError(
                f"Part {part.name!r} of representation {row.id} was made elsewhere and kept as an array, so that it cannot be "
                "made again from states: represent the data set without it."
            )
    sources = sources_of(workspace, dataset, row, parts)
    stand_in: StandIn = row.provenance.get("without_text", {}).get("instead", "nothing")
    if stand_in != "metadata" and all(part.reads in ("prompt", "answer") for part in parts):
        return own_states(workspace, dataset, None, parts, sources, stand_in, progress).states  # kept: no model is needed
    folder = find_model(row.model, workspace.settings.models_dir)
    require_revision(row, folder)
    gather = encoded if folder.is_encoder else own_states
    return gather(workspace, dataset, folder, parts, sources, stand_in, progress).states


def own_states(
    workspace: Workspace,
    dataset: Dataset,
    folder: ModelFolder | None,
    recipes: Sequence[Recipe],
    sources: Mapping[str, TextSource],
    stand_in: StandIn,
    progress: Progress,  # noqa: ARG001 - loading states is quick
) -> Gathered:
    """The states that a language model had of its prompts and answers, [n_items, d] a part. folder: the model's, which is
    needed only to read metadata in the place of missing texts."""
    gathered = Gathered()
    for name in dict.fromkeys(recipe.text_set for recipe in recipes):
        assert name is not None  # states are of a set
        source, about = sources[name], subjects(dataset, "item")
        prefill, decoding, there = states_of(workspace.fetch(source.text_set.folder), len(about))
        for pin in {pin.id: pin for pin in source.pinned.values()}.values():
            rows = np.array([position - 1 for position, of in source.pinned.items() if of.id == pin.id])
            others = states_of(workspace.fetch(pin.folder), len(about))
            for own, other in zip((prefill, decoding, there), others, strict=True):
                own[rows] = other[rows]
        missing = np.flatnonzero(~there)
        if len(missing):
            require_stand_in(stand_in, missing, dataset, source.text_set, about)
            if stand_in == "metadata" and folder is not None:
                prefill[missing], decoding[missing] = _read_metadata(folder, source.text_set, about, missing)
            else:
                prefill[missing], decoding[missing] = prefill[there].mean(axis=0), decoding[there].mean(axis=0)
        for recipe in recipes:
            if recipe.text_set == name:
                gathered.states[recipe.name] = prefill if recipe.reads == "prompt" else decoding
                if len(missing):
                    gathered.without_text[recipe.name] = [about.ids[int(row)] for row in missing]
    return gathered


def _read_metadata(
    folder: ModelFolder, text_set: TextSetRow, about: Subjects, rows: IntArray
) -> tuple[Float32Array, Float32Array]:
    """The states of items whose metadata the set's model reads as its answer to their prompts."""
    model = load_language_model(folder)
    if (then := text_set.sampling.get("precision", model.precision)) != model.precision:
        raise InputError(
            f"Set {text_set.id} holds states in {then}, and {model.model_id} would read metadata in {model.precision} here: "
            "they cannot stand in one representation. Give --missing mean, or do it on such a machine."
        )
    template = template_of(text_set)
    attributes = [about.attributes[int(row)] for row in rows]
    prompts, texts = [template.render(each) for each in attributes], [metadata_text(each) for each in attributes]
    return model.embed(prompts, texts, names=[about.labels[int(row)] for row in rows])


def encoded(
    workspace: Workspace,  # noqa: ARG001 - as `own_states`
    dataset: Dataset,
    folder: ModelFolder,
    recipes: Sequence[Recipe],
    sources: Mapping[str, TextSource],
    stand_in: StandIn,
    progress: Progress,
) -> Gathered:
    """An encoder's vectors, [n, d] a part: of items, users or sessions."""
    encoder = load_encoder(folder)
    gathered, done = Gathered(), 0
    units = {recipe.unit: subjects(dataset, recipe.unit) for recipe in recipes}
    total = sum(len(units[recipe.unit]) for recipe in recipes)
    for recipe in recipes:
        about = units[recipe.unit]
        texts, missing = _texts_to_read(recipe, dataset, about, sources, stand_in)
        rows = []
        for start in range(0, len(texts), ENCODE_CHUNK):
            chunk = slice(start, start + ENCODE_CHUNK)
            rows.append(encoder.encode(texts[chunk], names=about.labels[chunk]))
            done += len(rows[-1])
            progress(done, total, f"{folder.model_id} embeds the {recipe.name} part")
        vectors = np.concatenate(rows)
        if len(missing):
            gathered.without_text[recipe.name] = [about.ids[int(row)] for row in missing]
            if stand_in == "mean":
                vectors[missing] = np.delete(vectors, missing, axis=0).mean(axis=0)
        if cut := encoder.count_cut(texts):
            gathered.cut[recipe.name] = cut
        gathered.states[recipe.name] = vectors
    return gathered


def _texts_to_read(
    recipe: Recipe, dataset: Dataset, about: Subjects, sources: Mapping[str, TextSource], stand_in: StandIn
) -> tuple[list[str], IntArray]:
    """What the encoder reads of each, and the rows without a text, where its metadata stands."""
    if recipe.reads == "title":
        return [title or UNKNOWN for title in dataset.items["title"]], np.empty(0, dtype=np.int64)
    if recipe.text_set is None:
        return [metadata_text(attributes) for attributes in about.attributes], np.empty(0, dtype=np.int64)
    source = sources[recipe.text_set]
    template = find_kind(source.text_set.kind).template if recipe.unit != "item" else PAPER
    texts = [
        source.texts.get(row + 1) or metadata_text(attributes, template) for row, attributes in enumerate(about.attributes)
    ]
    missing = np.array([row for row in range(len(about)) if not source.texts.get(row + 1)], dtype=np.int64)
    if len(missing):
        require_stand_in(stand_in, missing, dataset, source.text_set, about)
    return texts, missing


def require_stand_in(stand_in: StandIn, missing: IntArray, dataset: Dataset, text_set: TextSetRow, about: Subjects) -> None:
    """Raises InputError where texts are missing and nothing shall stand in for them, or where none is there at all."""
    if stand_in != "nothing" and len(missing) < len(about):
        return
    unit, there = text_set.unit, len(about) - len(missing)
    raise InputError(
        f"{text_set.model!r} has written {text_set.kind}s for {there:,} of the {len(about):,} {unit}s of {dataset.name!r}; "
        f"the first without one is {about.labels[int(missing[0])]}. A representation needs all: run `generate {dataset.name} "
        f"--model {text_set.model}` with the options of that set and without --limit, which goes on where it stopped; or give "
        f"--missing metadata, which reads the {unit}'s metadata in the text's place, or --missing mean."
    )


def require_revision(row: RepresentationRow, folder: ModelFolder) -> None:
    """Raises InputError where a model's weights are no longer those that a representation was made with."""
    if folder.revision != row.revision:
        raise InputError(
            f"Representation {row.id} was made with revision {row.revision[:12]} of {row.model!r}, and here is revision "
            f"{folder.revision[:12]}, whose states mean something else: represent the data set again, and train on that."
        )


def refuse_other_states(other: TextSetRow, own: TextSetRow, item: str, advice: str) -> None:
    """Raises InputError where the states of two sets cannot stand in one representation; advice: what to do then."""

    def origin(text_set: TextSetRow) -> tuple[str, str, int, object]:
        return *states_by(text_set), text_set.dim, text_set.sampling.get("precision")

    if origin(other) != origin(own):
        there, here = (
            f"{model!r}, revision {revision[:12]}, {dim} dimensions, {precision}"
            for model, revision, dim, precision in (origin(other), origin(own))
        )
        raise InputError(
            f"The states of set {other.id}, from which {item} shall have its archetype, are of another model ({there}) than "
            f"those of set {own.id} ({here}): they cannot stand in one representation. {advice}"
        )
