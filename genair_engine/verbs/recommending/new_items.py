"""The verb `new-item`: where an item that nobody has bought lands, without training anything again.

Its metadata becomes a prompt, the prompt an archetype by the language model of each representation, the archetype states, the
states a row in the stored PCA bases, the row an item vector of every GenAIR run: then it has a score and a rank after any
session. A page does it in two steps: `write_item` once (seconds), then `place_item` for a run and a session, at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genair_engine.errors import InputError
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.new_item_requests import (
    Neighbour,
    NewItemRequest,
    NewItemResult,
    Placement,
    RealSession,
    SkippedRun,
)
from genair_engine.verbs.recommending.recommend import positions_of
from genair_engine.verbs.recommending.written_items import WrittenItem, write_item
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.workspace import Workspace

if TYPE_CHECKING:
    from genair_engine.verbs.recommending.item_space import ItemSpace

NEAREST = 5
"""Items of the catalogue that are shown beside the new one."""
SHOWN = 10
"""Items of a real session that a result holds: its last ones."""


def new_item(
    workspace: Workspace, request: NewItemRequest, progress: Progress = silent, models: Models | None = None
) -> NewItemResult:
    """Write the item's archetypes and put it into every run. Raises as `write_item` and `place_item`."""
    if request.items:
        positions_of(workspace.load_dataset(request.dataset), request.items)
    written = write_item(workspace, request, progress, models)
    placements, skipped = [], list(written.skipped)
    for done, run in enumerate(written.runs):
        progress(done, len(written.runs), f"ranking in {run}")
        try:
            space = load_item_space(workspace, run)
        except InputError as error:
            if request.runs:
                raise
            skipped.append(SkippedRun(run=run, reason=str(error)))
            continue
        placements.append(place_item(space, written, request.items, request.sessions, request.users))
    if not placements:
        raise InputError(f"The item cannot be put into any run of {request.dataset!r}. {skipped[0].reason}")
    progress(len(written.runs), len(written.runs), "ranked")
    return NewItemResult(
        dataset=request.dataset,
        item=request.item,
        attributes=written.attributes,
        session=request.items,
        archetypes=written.archetypes,
        placements=placements,
        skipped=skipped,
        notes=written.notes,
    )


def load_item_space(workspace: Workspace, run: str) -> ItemSpace:
    """A finished GenAIR run made ready for new items: what a page keeps between clicks.

    Raises NotFoundError, and InputError for a run that has not finished, has free item vectors, or whose representation was
    stored without its bases.
    """
    from genair_engine.verbs.recommending import item_space

    return item_space.load(workspace, run)


def place_item(
    space: ItemSpace, written: WrittenItem, session: Sequence[str] = (), sessions: int = 0, users: int = 1000
) -> Placement:
    """Where a written item lands in a run (`load_item_space`): rank after a session, neighbours, and real sessions.

    sessions: how many real ones to show; 0 looks at none. users: at most so many test users are looked at. Raises
    NotFoundError for an unknown item of the session, InputError where the item was not read for the run's representation.
    """
    dataset, row = space.dataset, space.row
    if row.id not in written.states:
        raise InputError(f"The item was not read for representation {row.id} of run {space.run!r}: write it for this run.")
    taken = positions_of(dataset, list(session)) if session else []
    vector = space.vectors(written.states[row.id])[0]
    score, rank = space.place(vector, taken) if taken else (None, None)
    looked_at, median, top_10, shown = 0, None, None, []
    if sessions > 0:
        sample = space.some_users(users)
        ranks = np.floor(space.ranks(vector, sample)).astype(np.int64) + 1
        looked_at, median, top_10 = len(sample), float(np.median(ranks)), float((ranks <= 10).mean())
        shown = [_real(space, int(sample[place]), int(ranks[place])) for place in np.argsort(ranks, kind="stable")[:sessions]]
    ids, titles = dataset.items["item_id"], dataset.items["title"]
    return Placement(
        run=space.run,
        method=space.method,
        representation=row.id,
        archetypes=row.text_set_id,
        score=score,
        rank=rank,
        of=dataset.n_items - len(set(taken)) + 1,
        nearest=[
            Neighbour(item=ids.iloc[position - 1], title=titles.iloc[position - 1], cosine=cosine)
            for position, cosine in space.nearest(vector, NEAREST)
        ],
        looked_at=looked_at,
        median_rank=median,
        top_10=top_10,
        sessions=shown,
    )


def _real(space: ItemSpace, user: int, rank: int) -> RealSession:
    taken = space.dataset.sequences[user]
    ids = space.dataset.items["item_id"].iloc[taken[-SHOWN - 1 :] - 1].tolist()
    name = space.dataset.user_ids[user]
    return RealSession(user=name, rank=rank, length=len(taken) - 1, items=ids[:-1], next=ids[-1])
