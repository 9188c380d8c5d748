"""The spaces that item vectors live in: a representation, a part of one, or the trained vectors of a run.

A space is named by the id of its run or representation, a part of a representation by `ID:prefill`, `ID:decoding` or
`ID:title`. `ID:states` holds prefill and decoding states in the one space of hidden states that both come from, each item
twice: the paper's figure 2. They are brought back from the stored components, with the share of variance that PCA kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy.orm import Session

from genair_engine.archetypes.representation import Representation, check_finite
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.store import datasets as dataset_rows
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow
from genair_engine.verbs.analysis.requests import AnalyseRequest, Kind, ProjectRequest, Space
from genair_engine.verbs.base import Progress
from genair_engine.verbs.training.runs import deviations_of
from genair_engine.workspace import Workspace

STATES = "states"
"""What stands for prefill and decoding states side by side."""
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """vectors: [m, width], finite. items: [m] the item 1…n of each row. part: [m] 0 prefill, 1 decoding, for `STATES` only."""

    space: Space
    vectors: FloatArray
    items: npt.NDArray[np.int64]
    part: npt.NDArray[np.uint8] | None = None


def spaces(workspace: Workspace, dataset: str) -> list[Space]:
    """All spaces of a data set: trained runs, the newest first, then representations with their parts, the newest first."""
    with workspace.reading() as session:
        owner = dataset_rows.find_dataset(session, dataset)
        trained = [_trained(run, owner) for run in rows.list_runs(session, owner.id, states=["done"])]
        made = [
            space
            for row in reversed(rows.list_representations(session, owner.id))
            for space in (_represented(row, owner, part) for part in _parts(row))
        ]
    return trained + made


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
        stored = artifacts.load_arrays(workspace.fetch(f"{row.folder}/representation.safetensors"))
        if space.kind == STATES:
            vectors = _states(Representation.from_arrays(stored))
            part = np.repeat(np.array([0, 1], dtype=np.uint8), len(vectors) // 2)
        else:
            vectors = stored["vectors"][:, _columns(row, name.partition(":")[2])]
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
            offered = [f"{owner_name}:{one}" for one in _parts(representation) if one]
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
    return _trained(run, owner), run


def _trained(run: RunRow, owner: DatasetRow) -> Space:
    what = f"{run.backbone} with {run.method}, loss {run.loss}, seed {run.seed}"
    return Space(
        space=run.id,
        dataset=owner.name,
        kind="trained",
        what=what,
        width=int(run.config["dim"]),
        deviations=deviations_of(run),
    )


def _parts(row: RepresentationRow) -> list[str]:
    """What may stand behind the id: "" for the whole, parts where there are several, states where both kinds are there."""
    several = list(row.dims) if len(row.dims) > 1 else []
    both = [STATES] if {"prefill", "decoding"} <= row.dims.keys() else []
    return ["", *several, *both]


def _represented(row: RepresentationRow, owner: DatasetRow, part: str) -> Space:
    by = row.provenance.get("archetypes_by")
    own = by == row.model  # a language model's own states, or texts that an encoder has read
    said = {
        "prefill": f"prefill states of {row.model}" if own else f"metadata read by {row.model}",
        "decoding": f"decoding states of {row.model}" if own else f"archetypes of {by} read by {row.model}",
        "title": f"titles read by {row.model}",
    }
    only = next(iter(row.dims)) if len(row.dims) == 1 else part
    kind: Kind = "fused"
    what = f"{' + '.join(row.dims)} of {row.model}" + ("" if own or not by else f", archetypes of {by}")
    if only == STATES:
        kind, what = "states", f"{said['prefill']} beside {said['decoding']}"
    elif only in said:
        kind = "metadata" if only == "prefill" and not own else only  # type: ignore[assignment]
        what = said[only]
    width = row.dims[only] if only in row.dims else sum(row.dims.values())
    name = f"{row.id}:{part}" if part else row.id
    return Space(space=name, dataset=owner.name, kind=kind, what=what, width=width, deviations=[])


def _columns(row: RepresentationRow, part: str) -> slice:
    """The columns of a part, or all: parts stand side by side, in the order of `dims`."""
    if not part:
        return slice(None)
    names = list(row.dims)
    start = sum(row.dims[name] for name in names[: names.index(part)])
    return slice(start, start + row.dims[part])


def _states(made: Representation) -> FloatArray:
    """[2n, d] prefill states of all items, then decoding states, in the space that both were computed in."""
    found, start = {}, 0
    for part, basis in made.bases.items():
        stop = start + len(basis.components)
        if part in ("prefill", "decoding"):
            found[part] = made.vectors[:, start:stop] @ basis.components + basis.mean
        start = stop
    return np.concatenate([found["prefill"], found["decoding"]])


def _trained_vectors(workspace: Workspace, run: str) -> FloatArray:
    import torch

    from genair_engine.verbs.training.load import load_model

    _, _, model = load_model(workspace, run)
    with torch.inference_mode():
        return np.asarray(model.items.all_vectors()[1:].float().numpy())
