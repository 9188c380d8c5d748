"""The states of a catalogue that a representation is fitted on: kept by a language model, or an encoder's.

Where an item's archetype is pinned (`verbs.pins`), text and states are those of the pinned one. What a stored representation
was made of is found again by the same functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from sqlalchemy.orm import Session

from genair_engine.archetypes.loading import load_encoder
from genair_engine.archetypes.model_folders import ModelFolder, find_model
from genair_engine.archetypes.prompts import PAPER, attribute_sentences
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.store.archetypes import states_by, texts_of_items, texts_of_set
from genair_engine.store.tables import ArchetypeSetRow, DatasetRow, RepresentationRow
from genair_engine.types import States
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.text_set import states_of
from genair_engine.verbs.texts.writing import item_labels
from genair_engine.workspace import Workspace

ENCODE_CHUNK = 512
"""Texts between two reports of progress."""

UNKNOWN = f"unknown {PAPER.noun}"
"""What an encoder reads where there is nothing."""


def metadata_text(attributes: Mapping[str, str]) -> str:
    """What an encoder reads of an item: the attribute sentences of the prompt, without instruction and question."""
    return " ".join(attribute_sentences(attributes, PAPER.attribute, PAPER.noun)) or UNKNOWN


def catalogue_states(workspace: Workspace, owner: DatasetRow, row: RepresentationRow, progress: Progress = silent) -> States:
    """The states that a stored representation was fitted on, part -> [n_items, d]: kept ones, or an encoder's made anew.

    Raises InputError where archetypes are no longer there, or the encoder is not the one of then.
    """
    dataset = workspace.load_dataset(owner.name)
    with workspace.reading() as session:
        archetypes = session.get(ArchetypeSetRow, row.archetype_set_id) if row.archetype_set_id else None
        pinned = _pinned_then(session, dataset, row)
        texts = texts_with_pins(session, archetypes, pinned) if archetypes else {}
    if archetypes is not None and states_by(archetypes)[0] == row.model:
        states = kept_states(workspace, dataset, archetypes, pinned)
        return {part: states[part] for part in row.dims}
    folder = find_model(row.model, workspace.settings.models_dir)
    require_revision(row, folder)
    if archetypes is not None:
        require_all(texts.keys(), dataset, archetypes.model)
    return embedded_states(folder, dataset, list(row.dims), texts, progress)


def texts_made_of(
    session: Session, dataset: Dataset, row: RepresentationRow, positions: Collection[int] | None = None
) -> dict[int, str]:
    """Item position → the archetype that a representation was made of: of its set, or the one that was pinned then.

    positions: only these items. Empty where the representation holds no archetypes.
    """
    archetypes = session.get(ArchetypeSetRow, row.archetype_set_id) if row.archetype_set_id else None
    return texts_with_pins(session, archetypes, _pinned_then(session, dataset, row), positions) if archetypes else {}


def _pinned_then(session: Session, dataset: Dataset, row: RepresentationRow) -> dict[int, ArchetypeSetRow]:
    """Item position → set whose archetype was pinned when the representation was made."""
    pins: dict[str, str] = row.provenance.get("pinned", {})
    sets = {name: session.get(ArchetypeSetRow, name) for name in set(pins.values())}
    return {int(dataset.position_of[item]): of for item, name in pins.items() if (of := sets[name]) is not None}


def kept_states(
    workspace: Workspace, dataset: Dataset, archetypes: ArchetypeSetRow, pinned: Mapping[int, ArchetypeSetRow]
) -> States:
    prefill, decoding, there = states_of(workspace.fetch(archetypes.folder), dataset.n_items)
    for of in {one.id: one for one in pinned.values()}.values():
        rows = np.array([position - 1 for position, one in pinned.items() if one.id == of.id])
        others = states_of(workspace.fetch(of.folder), dataset.n_items)
        for own, other in zip((prefill, decoding, there), others, strict=True):
            own[rows] = other[rows]
    require_all(set((np.flatnonzero(there) + 1).tolist()), dataset, archetypes.model)
    return {"prefill": prefill, "decoding": decoding}


def texts_with_pins(
    session: Session,
    archetypes: ArchetypeSetRow,
    pinned: Mapping[int, ArchetypeSetRow],
    positions: Collection[int] | None = None,
) -> dict[int, str]:
    """Item position → text of the set, or of the set from which it is pinned. positions: only these items."""

    def of_set(name: str, among: Collection[int] | None) -> dict[int, str]:
        return texts_of_set(session, name) if among is None else texts_of_items(session, name, sorted(among))

    written = of_set(archetypes.id, positions)
    for name in {one.id for one in pinned.values()}:
        places = {place for place, one in pinned.items() if one.id == name and (positions is None or place in positions)}
        theirs = of_set(name, None if positions is None else places)
        written |= {place: theirs[place] for place in places}
    return written


def embedded_states(
    folder: ModelFolder, dataset: Dataset, parts: list[str], archetypes: Mapping[int, str], progress: Progress
) -> States:
    """An encoder's states of the catalogue. archetypes: item position → text, all of them where there is a decoding part."""
    texts = {
        "prefill": [metadata_text(attributes) for attributes in dataset.items["attributes"]],
        "decoding": [archetypes[position] for position in sorted(archetypes)],
        "title": [title or UNKNOWN for title in dataset.items["title"]],
    }
    encoder = load_encoder(folder)
    labels, states, done = item_labels(dataset.items), {}, 0
    for part in parts:
        rows = []
        for start in range(0, dataset.n_items, ENCODE_CHUNK):
            chunk = slice(start, start + ENCODE_CHUNK)
            rows.append(encoder.encode(texts[part][chunk], names=labels[chunk]))
            done += len(rows[-1])
            progress(done, len(parts) * dataset.n_items, f"{folder.model_id} embeds the {part} part")
        states[part] = np.concatenate(rows)
    return states


def require_all(positions: Iterable[int], dataset: Dataset, model: str) -> None:
    there = np.zeros(dataset.n_items, dtype=bool)
    there[np.fromiter(positions, dtype=np.int64) - 1] = True
    if not there.all():
        first = item_labels(dataset.items.iloc[[int(np.argmin(there))]])[0]
        raise InputError(
            f"{model!r} has written archetypes for {there.sum():,} of the {dataset.n_items:,} items of {dataset.name!r}; the "
            f"first without one is {first}. A representation needs all: run `generate {dataset.name} --model {model}` "
            "with the options of that set and without --limit: it goes on where it stopped."
        )


def require_revision(row: RepresentationRow, folder: ModelFolder) -> None:
    """Raises InputError where a model's weights are no longer those that a representation was made with."""
    if folder.revision != row.revision:
        raise InputError(
            f"Representation {row.id} was made with revision {row.revision[:12]} of {row.model!r}, and here is revision "
            f"{folder.revision[:12]}, whose states mean something else: represent the data set again, and train on that."
        )


def refuse_other_states(other: ArchetypeSetRow, own: ArchetypeSetRow, item: str, advice: str) -> None:
    """Raises InputError where the states of two sets cannot stand in one representation; advice: what to do then."""

    def made_by(one: ArchetypeSetRow) -> tuple[str, str, int, object]:
        return *states_by(one), one.dim, one.sampling.get("precision")

    if made_by(other) != made_by(own):
        there, here = (
            f"{model!r}, revision {revision[:12]}, {dim} dimensions, {precision}"
            for model, revision, dim, precision in (made_by(other), made_by(own))
        )
        raise InputError(
            f"The states of set {other.id}, from which {item} shall have its archetype, are of another model ({there}) than "
            f"those of set {own.id} ({here}): they cannot stand in one representation. {advice}"
        )
