"""The verb `what-if`: another archetype for one item, and which recommendations it changes. Nothing is trained or kept.

The other archetype is one of another set (another version, another prompt), or any text, such as one that somebody edited:
what made the representation reads it. That is its encoder, or the language model whose states it holds, in one pass over
prompt and text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from genair_engine.archetypes.parts import parts_of
from genair_engine.archetypes.representation import check_finite, project
from genair_engine.archetypes.subjects import item_labels
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.methods.config import RunConfig
from genair_engine.methods.item_parts import ItemParts, PartOptions, part_options
from genair_engine.methods.registry import rank_new_items
from genair_engine.store.runs import find_representation, find_run
from genair_engine.store.tables import DatasetRow, RepresentationRow, TextSetRow
from genair_engine.store.texts import find_set, states_by, texts_of_items
from genair_engine.types import States
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.recommend import positions_of
from genair_engine.verbs.recommending.what_if_requests import ChangedSession, WhatIfRequest, WhatIfResult
from genair_engine.verbs.representations.catalogue_states import refuse_other_states, require_revision
from genair_engine.verbs.representations.stored import is_read_by_encoder, part_of_texts
from genair_engine.verbs.representations.unseen import read_texts
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.verbs.texts.text_set import states_of
from genair_engine.workspace import Workspace

SEED = 0
"""Of the draw of sessions."""
SHOWN_ITEMS = 10


def what_if(
    workspace: Workspace, request: WhatIfRequest, progress: Progress = silent, models: Models | None = None
) -> WhatIfResult:
    """Rank before and after. Raises NotFoundError, InputError where the archetype cannot be put in.

    models: loaded ones to read a text with.
    Sessions are all but the last interaction of test users, as in the test; the same ones for the same data set and number.
    """
    from genair_engine.methods.recommender import TableRecommender
    from genair_engine.serving.what_if import what_if as compare  # torch, which nobody else waits for
    from genair_engine.verbs.training.load import load_model

    if (request.archetypes is None) == (request.text is None):
        raise InputError("Give either the --archetypes or the --text to put in.")
    with workspace.reading() as session:
        run, owner = find_run(session, request.run)
        if run.method not in rank_new_items() or run.representation_id is None:
            raise InputError(
                f"Run {run.id!r} was trained with method {run.method!r}, which does not read archetypes when it recommends: "
                f"choose one of {' or '.join(rank_new_items())}."
            )
        representation = find_representation(session, owner, run.representation_id)
    progress(0, request.sessions, "ranking before and after")
    run, _, model = load_model(workspace, request.run)
    dataset = workspace.load_dataset(owner.name)
    position = positions_of(dataset, [request.item])[0]
    states = _states(workspace, owner, dataset, representation, position, request, models or Models(workspace.settings))
    row = _row(workspace, representation, position, states, part_options(RunConfig.stored(run.config).options))
    users = dataset.split.users
    drawn = np.sort(np.random.default_rng(SEED).choice(users, size=min(request.sessions, len(users)), replace=False))
    sequences = dataset.sequences.take(drawn)
    histories = sequences.without_last(np.ones(len(drawn), dtype=np.int64))
    compared = compare(TableRecommender(model), position, row, Sessions(histories, drawn), request.k)
    progress(len(drawn), len(drawn), "ranking before and after")

    differs = (compared.before.top != compared.after.top).any(axis=1)
    was, now = ((rankings.top == position).any(axis=1) for rankings in (compared.before, compared.after))
    moved = np.abs(np.log(np.maximum(compared.before.ranks, 1)) - np.log(np.maximum(compared.after.ranks, 1)))
    order = [int(k) for k in np.argsort(-moved, kind="stable") if differs[k]][: request.examples]
    outside = compared.before.ranks > 0
    ids = dataset.items["item_id"].to_numpy()

    def named(items: npt.NDArray[Any]) -> list[str]:
        return [str(source_id) for source_id in ids[items - 1]]

    return WhatIfResult(
        run=run.id,
        dataset=owner.name,
        item=request.item,
        sessions=len(drawn),
        k=compared.before.top.shape[1],
        changed=int(differs.sum()),
        entered=int((now & ~was).sum()),
        left=int((was & ~now).sum()),
        mean_rank_before=float(compared.before.ranks[outside].mean()) if outside.any() else None,
        mean_rank_after=float(compared.after.ranks[outside].mean()) if outside.any() else None,
        cosine=compared.cosine,
        examples=[
            ChangedSession(
                user=dataset.user_ids[int(drawn[k])],
                session=named(histories[k][-SHOWN_ITEMS:]),
                before=named(compared.before.top[k]),
                after=named(compared.after.top[k]),
                rank_before=int(compared.before.ranks[k]) or None,
                rank_after=int(compared.after.ranks[k]) or None,
            )
            for k in order
        ],
    )


def _row(
    workspace: Workspace, representation: RepresentationRow, position: int, states: States, options: PartOptions
) -> npt.NDArray[np.float32]:
    """[D] the item's row with other states (part → [1, d]), scaled and cut as the run reads it."""
    from genair_engine.verbs.representations.stored import load_with_bases

    stored = load_with_bases(workspace, representation)
    row = stored.vectors[[position - 1]]
    ends = np.cumsum(list(representation.dims.values()))
    for part, end in zip(representation.dims, ends, strict=True):
        if part in states:
            row[:, end - representation.dims[part] : end] = project(stored.bases[part], states[part])
    return ItemParts(stored.vectors, representation.dims, representation.id).read(options, row)[0]


def _states(
    workspace: Workspace,
    owner: DatasetRow,
    dataset: Dataset,
    representation: RepresentationRow,
    position: int,
    request: WhatIfRequest,
    models: Models,
) -> States:
    """Part → [1, d] the other archetype's state, for the parts that it changes."""
    label = item_labels(dataset.items.iloc[[position - 1]])[0]
    with workspace.reading() as session:
        own = session.get(TextSetRow, representation.text_set_id) if representation.text_set_id else None
        other = find_set(session, owner.id, request.archetypes) if request.archetypes is not None else None
        text = texts_of_items(session, other.id, [position]).get(position) if other else request.text
    if own is None or part_of_texts(representation) is None:
        raise InputError(
            f"Representation {representation.id} holds nothing of the archetypes' texts: no archetype can change it."
        )
    if text is None:
        raise InputError(f"Archetype set {request.archetypes!r} has no text of {label}.")
    by_encoder = is_read_by_encoder(representation)
    if by_encoder or other is None:
        require_revision(representation, models.folder(representation.model))
        if not by_encoder:
            _require_same_states(models, representation, own)
        return read_texts(models, representation, own, [text], dataset.items["attributes"].iloc[position - 1], label)
    refuse_other_states(other, own, label, "Choose a set by the same model.")
    prefill, decoding, there = states_of(workspace.fetch(other.folder), dataset.n_items)
    if not there[position - 1]:
        raise InputError(f"Archetype set {other.id} has no states of {label}: generate or embed it again.")
    of_item = {"prompt": prefill[[position - 1]], "answer": decoding[[position - 1]]}
    states = {part.name: of_item[part.reads] for part in parts_of(representation.parts) if part.text_set == own.id}
    for part, values in states.items():
        check_finite(values, f"the {part} states", [label])
    return states


def _require_same_states(models: Models, representation: RepresentationRow, own: TextSetRow) -> None:
    """Raises InputError where the language model here is not the one whose states the set holds."""
    with models.lock:
        model = models.language_model(representation.model)
    (reader, revision), precision = states_by(own), own.sampling.get("precision")
    if (model.revision, model.precision) != (revision, precision):
        raise InputError(
            f"Representation {representation.id} was made by {reader!r}, revision {revision[:12]} in {precision}, and here it "
            f"is {model.revision[:12]} in {model.precision}: their states cannot stand in one representation."
        )
