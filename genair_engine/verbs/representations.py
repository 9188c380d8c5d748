"""The verb `represent`: from states or text embeddings to the frozen item representation E (GenAIR eq. 6–7).

A causal language model is represented by its own states, which `generate` kept. A text encoder embeds the metadata as the
prefill part, the texts that a language model wrote as the decoding part, and on demand the titles as one more part. Where
an item's archetype is pinned (`verbs.pins`), the pinned one is used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from sqlalchemy.orm import Session

from genair_engine import __version__
from genair_engine.archetypes import representation
from genair_engine.archetypes.backends import load_encoder
from genair_engine.archetypes.prompts import PAPER, attribute_sentences
from genair_engine.archetypes.sources import ModelSource, find_model
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError, OutageError
from genair_engine.store import artifacts
from genair_engine.store.archetypes import find_set, states_by, texts_of_items, texts_of_set, written_positions
from genair_engine.store.keys import new_id
from genair_engine.store.tables import ArchetypeSetRow, DatasetRow, RepresentationRow
from genair_engine.store.votes import list_pins
from genair_engine.verbs.archetypes import states_of
from genair_engine.verbs.base import Progress, Request, Result, positional, silent
from genair_engine.verbs.run_generation import item_labels
from genair_engine.workspace import Workspace

LONGEST_STEM = 25
"""Characters of a model's name in a representation's id."""

ENCODE_CHUNK = 512
"""Texts between two reports of progress."""

UNKNOWN = f"unknown {PAPER.noun}"
"""What an encoder reads where there is nothing."""

PIN_ADVICE = "It is pinned: pin one by the same model, take the pin off (`pin DATASET ITEM --off`), or give --ignore-pins."

States = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Gathered:
    """What a representation is made from. archetypes: the set, where there is one.

    pinned: item position → set whose archetype is in the place of that set's own.
    """

    states: States
    archetypes: ArchetypeSetRow | None
    pinned: dict[int, ArchetypeSetRow] = field(default_factory=dict)


class RepresentRequest(Request):
    """Make the item representation that a recommender is trained on."""

    dataset: str = positional("data set")
    model: str = Field(description="language model whose states to use, or an encoder such as minilm")
    archetypes: str | None = Field(
        None, description="for an encoder: embed the texts of this model (or set) as the decoding part"
    )
    parts: Literal["prefill", "decoding", "both"] | None = Field(
        None, description="which parts to keep; by default both where there are both"
    )
    title: bool = Field(False, description="for an encoder: embed the titles alone as one more part")
    variance: float | None = Field(0.95, gt=0, le=1, description="share of each part's variance that PCA keeps")
    components: int | None = Field(None, ge=1, description="fixed number of components a part, instead of a variance")
    ignore_pins: bool = Field(False, description="use the set's own archetypes, also where another one is pinned")


class RepresentResult(Result):
    """dims: columns a part; explained: share of variance they hold. pinned: items with the pinned archetype of another set."""

    dataset: str
    representation: str
    model: str
    archetypes: str | None
    items: int
    dims: dict[str, int]
    explained: dict[str, float]
    pinned: int

    def lines(self) -> list[str]:
        pins = f" {self.pinned:,} items have pinned archetypes of other sets." if self.pinned else ""
        parts = ", ".join(f"{part} {dim} columns ({self.explained[part]:.1%} of variance)" for part, dim in self.dims.items())
        return [
            f"Representation {self.representation} of {self.items:,} items of {self.dataset} by {self.model}: {parts}.{pins}"
        ]


def represent(workspace: Workspace, request: RepresentRequest, progress: Progress = silent) -> RepresentResult:
    """Fit PCA on every part and keep vectors and bases. Raises InputError where an item has no archetype."""
    dataset = workspace.load_dataset(request.dataset)
    row = workspace.dataset_row(request.dataset)
    source = find_model(request.model, workspace.settings.models_dir)
    gather = _encoded if source.is_encoder else _generated
    gathered = gather(workspace, dataset, row, source, request, progress)
    made = representation.represent(
        gathered.states,
        variance=None if request.components else request.variance,
        components=request.components,
        names=item_labels(dataset.items),
    )
    dims = {part: len(basis.components) for part, basis in made.bases.items()}
    explained = {part: float(basis.explained_ratio.sum()) for part, basis in made.bases.items()}
    kept = _save(workspace, dataset, row, source, request, gathered, made, dims, explained)
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
        texts = _texts(session, archetypes, pinned) if archetypes else {}
    if archetypes is not None and states_by(archetypes)[0] == row.model:
        states = _kept_states(workspace, dataset, archetypes, pinned)
        return {part: states[part] for part in row.dims}
    source = find_model(row.model, workspace.settings.models_dir)
    require_revision(row, source)
    if archetypes is not None:
        _require_all(texts.keys(), dataset, archetypes.model)
    return _embedded(source, dataset, list(row.dims), texts, progress)


def texts_made_of(
    session: Session, dataset: Dataset, row: RepresentationRow, positions: Collection[int] | None = None
) -> dict[int, str]:
    """Item position → the archetype that a representation was made of: of its set, or the one that was pinned then.

    positions: only these items. Empty where the representation holds no archetypes.
    """
    archetypes = session.get(ArchetypeSetRow, row.archetype_set_id) if row.archetype_set_id else None
    return _texts(session, archetypes, _pinned_then(session, dataset, row), positions) if archetypes else {}


def _pinned_then(session: Session, dataset: Dataset, row: RepresentationRow) -> dict[int, ArchetypeSetRow]:
    """Item position → set whose archetype was pinned when the representation was made."""
    pins: dict[str, str] = row.provenance.get("pinned", {})
    sets = {name: session.get(ArchetypeSetRow, name) for name in set(pins.values())}
    return {int(dataset.position_of[item]): of for item, name in pins.items() if (of := sets[name]) is not None}


def require_revision(row: RepresentationRow, source: ModelSource) -> None:
    """Raises InputError where a model's weights are no longer those that a representation was made with."""
    if source.revision != row.revision:
        raise InputError(
            f"Representation {row.id} was made with revision {row.revision[:12]} of {row.model!r}, and here is revision "
            f"{source.revision[:12]}, whose states mean something else: represent the data set again, and train on that."
        )


def _generated(
    workspace: Workspace,
    dataset: Dataset,
    row: DatasetRow,
    source: ModelSource,
    request: RepresentRequest,
    progress: Progress,  # noqa: ARG001 - loading states is quick
) -> Gathered:
    if request.title:
        raise InputError(f"{source.model_id!r} is a language model and embeds no titles alone: use an encoder such as minilm.")
    with workspace.reading() as session:
        archetypes = find_set(session, row.id, request.archetypes or source.model_id)
        model, revision = states_by(archetypes)
        if (model, revision) != (source.model_id, source.revision):
            raise InputError(
                f"{source.model_id!r} is a language model and is represented by its own states, but set {archetypes.id} was "
                f"{'written' if model == archetypes.model else 'read'} by {model!r}, revision {revision[:12]} (here: "
                f"{source.revision[:12]}). Generate its archetypes, or use an encoder such as minilm."
            )
        pinned = _pinned(session, row, archetypes, request)
        for position, of in pinned.items():
            refuse_other_states(of, archetypes, item_labels(dataset.items.iloc[[position - 1]])[0], PIN_ADVICE)
        _require_all(written_positions(session, archetypes.id) | pinned.keys(), dataset, archetypes.model)
    states = _kept_states(workspace, dataset, archetypes, pinned)
    return Gathered({part: states[part] for part in _parts(request, list(states))}, archetypes, pinned)


def _kept_states(
    workspace: Workspace, dataset: Dataset, archetypes: ArchetypeSetRow, pinned: Mapping[int, ArchetypeSetRow]
) -> States:
    prefill, decoding, there = states_of(workspace.fetch(archetypes.folder), dataset.n_items)
    for of in {one.id: one for one in pinned.values()}.values():
        rows = np.array([position - 1 for position, one in pinned.items() if one.id == of.id])
        others = states_of(workspace.fetch(of.folder), dataset.n_items)
        for own, other in zip((prefill, decoding, there), others, strict=True):
            own[rows] = other[rows]
    _require_all(set((np.flatnonzero(there) + 1).tolist()), dataset, archetypes.model)
    return {"prefill": prefill, "decoding": decoding}


def _encoded(
    workspace: Workspace,
    dataset: Dataset,
    row: DatasetRow,
    source: ModelSource,
    request: RepresentRequest,
    progress: Progress,
) -> Gathered:
    available, archetypes, pinned, texts = ["prefill"], None, {}, {}
    if request.archetypes is not None:
        with workspace.reading() as session:
            archetypes = find_set(session, row.id, request.archetypes)
            pinned = _pinned(session, row, archetypes, request)
            texts = _texts(session, archetypes, pinned)
        _require_all(texts.keys(), dataset, archetypes.model)
        available.append("decoding")
    parts = [*_parts(request, available), *(["title"] if request.title else [])]
    return Gathered(_embedded(source, dataset, parts, texts, progress), archetypes, pinned)


def _texts(
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


def _embedded(
    source: ModelSource, dataset: Dataset, parts: list[str], archetypes: Mapping[int, str], progress: Progress
) -> States:
    """An encoder's states of the catalogue. archetypes: item position → text, all of them where there is a decoding part."""
    texts = {
        "prefill": [metadata_text(attributes) for attributes in dataset.items["attributes"]],
        "decoding": [archetypes[position] for position in sorted(archetypes)],
        "title": [title or UNKNOWN for title in dataset.items["title"]],
    }
    encoder = load_encoder(source)
    labels, states, done = item_labels(dataset.items), {}, 0
    for part in parts:
        rows = []
        for start in range(0, dataset.n_items, ENCODE_CHUNK):
            chunk = slice(start, start + ENCODE_CHUNK)
            rows.append(encoder.encode(texts[part][chunk], names=labels[chunk]))
            done += len(rows[-1])
            progress(done, len(parts) * dataset.n_items, f"{source.model_id} embeds the {part} part")
        states[part] = np.concatenate(rows)
    return states


def _pinned(
    session: Session, dataset: DatasetRow, archetypes: ArchetypeSetRow, request: RepresentRequest
) -> dict[int, ArchetypeSetRow]:
    """Item position → set of its pinned archetype, where that is another set than this one."""
    pins = [] if request.ignore_pins else list_pins(session, dataset.id)
    return {pin.position: of for pin, _, of in pins if of.id != archetypes.id}


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


def _parts(request: RepresentRequest, available: list[str]) -> list[str]:
    wanted = {None: available, "both": ["prefill", "decoding"]}.get(request.parts, [str(request.parts)])
    missing = [part for part in wanted if part not in available]
    if missing:
        raise InputError(
            f"There is no {missing[0]} part: name whose archetype texts to embed with --archetypes (for example demo-llama)."
        )
    return wanted


def _require_all(positions: Iterable[int], dataset: Dataset, model: str) -> None:
    there = np.zeros(dataset.n_items, dtype=bool)
    there[np.fromiter(positions, dtype=np.int64) - 1] = True
    if not there.all():
        first = item_labels(dataset.items.iloc[[int(np.argmin(there))]])[0]
        raise InputError(
            f"{model!r} has written archetypes for {there.sum():,} of the {dataset.n_items:,} items of {dataset.name!r}; the "
            f"first without one is {first}. A representation needs all: run `generate {dataset.name} --model {model}` "
            "with the options of that set and without --limit: it goes on where it stopped."
        )


def _save(
    workspace: Workspace,
    catalogue: Dataset,
    dataset: DatasetRow,
    source: ModelSource,
    request: RepresentRequest,
    gathered: Gathered,
    made: representation.Representation,
    dims: dict[str, int],
    explained: dict[str, float],
) -> RepresentationRow:
    name = f"{source.model_id.split('/')[-1].lower()[:LONGEST_STEM]}-{new_id()[:6]}"
    archetypes = gathered.archetypes
    provenance: dict[str, Any] = {
        "dataset_hash": dataset.content_hash,
        "model_revision": source.revision,
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
        model=source.model_id,
        revision=source.revision,
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
