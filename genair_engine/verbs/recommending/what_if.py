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
        made = find_representation(session, owner, run.representation_id)
    progress(0, request.sessions, "ranking before and after")
    run, _, model = load_model(workspace, request.run)
    dataset = workspace.load_dataset(owner.name)
    position = positions_of(dataset, [request.item])[0]
    states = _states(workspace, owner, dataset, made, position, request, models or Models(workspace.settings))
    row = _row(workspace, made, position, states, part_options(RunConfig.stored(run.config).options))
    users = dataset.split.users
    drawn = np.sort(np.random.default_rng(SEED).choice(users, size=min(request.sessions, len(users)), replace=False))
    sequences = dataset.sequences.take(drawn)
    histories = sequences.without_last(np.ones(len(drawn), dtype=np.int64))
    found = compare(TableRecommender(model), position, row, Sessions(histories, drawn), request.k)
    progress(len(drawn), len(drawn), "ranking before and after")

    differs = (found.before.top != found.after.top).any(axis=1)
    was, now = ((one.top == position).any(axis=1) for one in (found.before, found.after))
    moved = np.abs(np.log(np.maximum(found.before.ranks, 1)) - np.log(np.maximum(found.after.ranks, 1)))
    order = [int(k) for k in np.argsort(-moved, kind="stable") if differs[k]][: request.examples]
    outside = found.before.ranks > 0
    ids = dataset.items["item_id"].to_numpy()

    def named(items: npt.NDArray[Any]) -> list[str]:
        return [str(one) for one in ids[items - 1]]

    return WhatIfResult(
        run=run.id,
        dataset=owner.name,
        item=request.item,
        sessions=len(drawn),
        k=found.before.top.shape[1],
        changed=int(differs.sum()),
        entered=int((now & ~was).sum()),
        left=int((was & ~now).sum()),
        mean_rank_before=float(found.before.ranks[outside].mean()) if outside.any() else None,
        mean_rank_after=float(found.after.ranks[outside].mean()) if outside.any() else None,
        cosine=found.cosine,
        examples=[
            ChangedSession(
                user=dataset.user_ids[int(drawn[k])],
                session=named(histories[k][-SHOWN_ITEMS:]),
                before=named(found.before.top[k]),
                after=named(found.after.top[k]),
                rank_before=int(found.before.ranks[k]) or None,
                rank_after=int(found.after.ranks[k]) or None,
            )
            for k in order
        ],
    )


def _row(
    workspace: Workspace, made: RepresentationRow, position: int, states: States, options: PartOptions
) -> npt.NDArray[np.float32]:
    """[D] the item's row with other states (part → [1, d]), scaled and cut as the run reads it."""
    from genair_engine.verbs.representations.stored import load_with_bases

    stored = load_with_bases(workspace, made)
    row = stored.vectors[[position - 1]]
    ends = np.cumsum(list(made.dims.values()))
    for part, end in zip(made.dims, ends, strict=True):
        if part in states:
            row[:, end - made.dims[part] : end] = project(stored.bases[part], states[part])
    return ItemParts(stored.vectors, made.dims, made.id).read(options, row)[0]


def _states(
    workspace: Workspace,
    owner: DatasetRow,
    dataset: Dataset,
    made: RepresentationRow,
    position: int,
    request: WhatIfRequest,
    models: Models,
) -> States:
    """Part → [1, d] the other archetype's state, for the parts that it changes."""
    label = item_labels(dataset.items.iloc[[position - 1]])[0]
    with workspace.reading() as session:
        own = session.get(TextSetRow, made.text_set_id) if made.text_set_id else None
        other = find_set(session, owner.id, request.archetypes) if request.archetypes is not None else None
        text = texts_of_items(session, other.id, [position]).get(position) if other else request.text
    if own is None or part_of_texts(made) is None:
        raise InputError(f"Representation {made.id} holds nothing of the archetypes' texts: no archetype can change it.")
    if text is None:
        raise InputError(f"Archetype set {request.archetypes!r} has no text of {label}.")
    by_encoder = is_read_by_encoder(made)
    if by_encoder or other is None:
        require_revision(made, models.folder(made.model))
        if not by_encoder:
            _require_same_states(models, made, own)
        return read_texts(models, made, own, [text], dataset.items["attributes"].iloc[position - 1], label)
    refuse_other_states(other, own, label, "Choose a set by the same model.")
    prefill, decoding, there = states_of(workspace.fetch(other.folder), dataset.n_items)
    if not there[position - 1]:
        raise InputError(f"Archetype set {other.id} has no states of {label}: generate or embed it again.")
    of_item = {"prompt": prefill[[position - 1]], "answer": decoding[[position - 1]]}
    states = {part.name: of_item[part.reads] for part in parts_of(made.parts) if part.text_set == own.id}
    for part, values in states.items():
        check_finite(values, f"the {part} states", [label])
    return states


def _require_same_states(models: Models, made: RepresentationRow, own: TextSetRow) -> None:
    """Raises InputError where the language model here is not the one whose states the set holds."""
    with models.lock:
        model = models.language_model(made.model)
    (reader, revision), precision = states_by(own), own.sampling.get("precision")
    if (model.revision, model.precision) != (revision, precision):
        raise InputError(
            f"Representation {made.id} was made by {reader!r}, revision {revision[:12]} in {precision}, and here it is "
            f"{model.revision[:12]} in {model.precision}: their states cannot stand in one representation."
        )
