"""The spaces that item vectors live in: a representation, a part of one, or the trained vectors of a run.

A space is named by the id of its run or representation, a part of a representation's items by `ID:PART`. `ID:states` holds
what was read before and of an item's text (a language model's prefill and decoding states) in the one space that both come
from, each item twice: the paper's figure 2. They are brought back from the stored components, with the share of variance that
PCA kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy.orm import Session

from genair_engine.archetypes.parts import OF_TEXTS, Part, parts_of
from genair_engine.archetypes.representation import Representation, check_finite
from genair_engine.errors import InputError, NotFoundError
from genair_engine.methods.registry import tags_of, with_item_vectors
from genair_engine.store import datasets as dataset_rows
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow
from genair_engine.types import Float32Array
from genair_engine.verbs.analysis.requests import AnalyseRequest, ProjectRequest, Space
from genair_engine.verbs.base import Progress
from genair_engine.verbs.representations.stored import columns_of, load_representation
from genair_engine.verbs.training.runs import deviations_of
from genair_engine.workspace import Workspace

STATES = "states"
"""What stands for prefill and decoding states side by side."""


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """vectors: [m, width], finite. items: [m] the item 1…n of each row. part: [m] which of the space's two parts, for `STATES`
    only."""

    space: Space
    vectors: Float32Array
    items: npt.NDArray[np.int64]
    part: npt.NDArray[np.uint8] | None = None


def spaces(workspace: Workspace, dataset: str) -> list[Space]:
    """All spaces of a data set: trained runs, the newest first, then representations with their parts, the newest first."""
    with workspace.reading() as session:
        owner = dataset_rows.find_dataset(session, dataset)
        finished = rows.list_runs(session, owner.id, states=["done"])
        trained = [_trained(run, owner) for run in finished if tags_of(run.method).dot_product]
        represented = [
            space
            for row in reversed(rows.list_representations(session, owner.id))
            for space in (_represented(row, owner, part) for part in _parts(row))
        ]
    return trained + represented


def find_space(workspace: Workspace, name: str) -> Space:
    """The space of that name. Raises NotFoundError, or InputError for a run that has not finished."""
    with workspace.reading() as session:
        return _find(session, name)[0]


def check_spaces(workspace: Workspace, request: AnalyseRequest | ProjectRequest) -> None:
    """Raises NotFoundError for a space that is not there, InputError for a run that has not finished."""
    for name in request.spaces:
        find_space(workspace, name)


def load_vectors(workspace: Workspace, name: str) -> ItemVectors:
    """A space with its vectors. Raises NotFoundError, InputError, NonFiniteError."""
    with workspace.reading() as session:
        space, row = _find(session, name)
    part = None
    if isinstance(row, RunRow):
        vectors = _trained_vectors(workspace, row.id)
    else:
        stored = load_representation(workspace, row)
        if space.kind == STATES:
            vectors = _states(stored, row, space.parts)
            part = np.repeat(np.array([0, 1], dtype=np.uint8), len(vectors) // 2)
        else:
            only = name.partition(":")[2]
            vectors = stored.vectors[:, columns_of(row, only)] if only else stored.vectors
    items = np.arange(1, len(vectors) + 1)
    if part is not None:
        items = np.tile(items[: len(vectors) // 2], 2)
    check_finite(vectors, f"the vectors of {name}")
    return ItemVectors(space, vectors, items, part)


def share_of(progress: Progress, number: int, of: int, space: Space) -> Progress:
    """The progress of one of several spaces, number 0…of − 1, as its part of the whole, in hundredths of a space."""

    def tell(done: int, total: int, what: str) -> None:
        progress(100 * number + 100 * done // max(total, 1), 100 * of, f"{space.space}: {what}")

    return tell


def item_facts(workspace: Workspace, dataset: str) -> pd.DataFrame:
    """What pictures say of every item, a row each, in order: position, item, title, categories, popularity, group."""
    with workspace.reading() as session:
        return dataset_rows.item_facts(session, dataset_rows.find_dataset(session, dataset).id)


def _find(session: Session, name: str) -> tuple[Space, RunRow | RepresentationRow]:
    owner_name, _, part = name.partition(":")
    representation = session.get(RepresentationRow, owner_name)
    if representation is not None:
        if part not in _parts(representation):
            offered = [f"{owner_name}:{known}" for known in _parts(representation) if known]
            has = f"has {' and '.join(representation.dims)}"
            raise InputError(f"Representation {owner_name} {has}, no {part}: give {', '.join([owner_name, *offered])}.")
        owner = session.get_one(DatasetRow, representation.dataset_id)
        return _represented(representation, owner, part), representation
    try:
        run, owner = rows.find_run(session, owner_name)
    except NotFoundError as error:
        known = rows.sources_of_vectors(session)
        raise NotFoundError(
            "run or representation", owner_name, known, "" if known else "Train or represent first."
        ) from error
    if part:
        raise InputError(f"{owner_name} is a run: it has no {part}. Only a representation has parts.")
    if run.state != "done":
        raise InputError(f"Run {owner_name!r} is {run.state}: only a finished run has item vectors to look at.")
    if not tags_of(run.method).dot_product:
        raise InputError(
            f"Run {owner_name!r} has no item vectors to look at: choose one of method {' or '.join(with_item_vectors())}."
        )
    return _trained(run, owner), run


def _trained(run: RunRow, owner: DatasetRow) -> Space:
    what = f"{run.backbone} with {run.method}, loss {run.loss}, seed {run.seed}"
    return Space(
        space=run.id,
        dataset=owner.name,
        kind="trained",
        what=what,
        width=int(run.config["dim"]),
        parts=[],
        deviations=deviations_of(run),
    )


def _parts(row: RepresentationRow) -> list[str]:
    """What may stand behind the id: "" for the whole, parts where there are several, states where both kinds are there."""
    several = list(row.dims) if len(row.dims) > 1 else []
    return ["", *several, *([STATES] if _before_and_of_text(row) else [])]


def _before_and_of_text(row: RepresentationRow) -> list[Part]:
    """The first part that is of what is known before an item's text, and the first that is of the text; or nothing."""
    parts = [part for part in parts_of(row.parts) if part.unit == "item"]
    before = [part for part in parts if part.reads in ("prompt", "metadata")][:1]
    of_text = [part for part in parts if part.reads in OF_TEXTS][:1]
    return before + of_text if before and of_text else []


def _represented(row: RepresentationRow, owner: DatasetRow, part: str) -> Space:
    by = row.provenance.get("archetypes_by")
    own = by == row.model  # a language model's own states, or texts that an encoder has read
    parts = {each.name: each for each in parts_of(row.parts) if each.unit == "item"}
    only = next(iter(parts)) if len(parts) == 1 else part
    kind, held = "fused", list(parts)
    what = f"{' + '.join(parts)} of {row.model}" + ("" if own or not by else f", archetypes of {by}")
    if only == STATES:
        both = _before_and_of_text(row)
        kind, what, held = STATES, " beside ".join(_in_words(each, row) for each in both), [each.name for each in both]
    elif only in parts:
        kind = "metadata" if parts[only].reads == "metadata" else only
        what, held = _in_words(parts[only], row), [only]
    width = row.dims[only] if only in row.dims else sum(row.dims.values())
    name = f"{row.id}:{part}" if part else row.id
    return Space(space=name, dataset=owner.name, kind=kind, what=what, width=width, parts=held, deviations=[])


def _in_words(part: Part, row: RepresentationRow) -> str:
    """What a part's vectors are."""
    match part.reads:
        case "prompt" | "answer":
            return f"{part.name} states of {part.model}"
        case "metadata":
            return f"metadata read by {part.model}"
        case "title":
            return f"titles read by {part.model}"
        case "text":
            own = part.text_set == row.text_set_id
            texts = f"archetypes of {row.provenance.get('archetypes_by')}" if own else f"{part.name} texts"
            return f"{texts} read by {part.model}"
        case _:
            return f"{part.name} of {part.model or 'another program'}"


def _states(stored: Representation, row: RepresentationRow, parts: Sequence[str]) -> Float32Array:
    """[2n, d] the states of all items of the first part, then of the second, in the space that both were computed in."""
    bases = {part: stored.bases[part] for part in parts}
    return np.concatenate(
        [stored.vectors[:, columns_of(row, part)] @ basis.components + basis.mean for part, basis in bases.items()]
    )


def _trained_vectors(workspace: Workspace, run: str) -> Float32Array:
    import torch

    from genair_engine.verbs.training.load import load_model

    _, _, model = load_model(workspace, run)
    with torch.inference_mode():
        return np.asarray(model.items.all_vectors()[1:].float().numpy())
