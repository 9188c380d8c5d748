"""The verb `explain`: why each recommended item is in the list, and what the list is like as a whole.

Three reasons an item: how much each item of the session pushed it up (leave-one-out: the score after the session minus the
score after the session without that item), which audiences its archetype shares with the archetypes of session items, and how
popular it was in training. Three measures a list: diversity, novelty and share of the long tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genair_engine.archetypes.segments import SAME_AUDIENCE, audience_name, audience_words, overlap, split_segments
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.evaluation import beyond
from genair_engine.store import runs as run_rows
from genair_engine.store import texts as text_rows
from genair_engine.store.tables import RepresentationRow, TextSetRow
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.explain_requests import (
    MOST_EXPLAINED,
    Contribution,
    ExplainRequest,
    ExplainResult,
    ListMeasures,
    Reason,
    SharedAudience,
)
from genair_engine.verbs.recommending.recommend import load_recommender, positions_of
from genair_engine.verbs.recommending.requests import RecommendRequest
from genair_engine.verbs.representations.text_sources import texts_made_of
from genair_engine.workspace import Workspace

if TYPE_CHECKING:
    from genair_engine.verbs.recommending.recommender import Recommender


def explain(workspace: Workspace, request: ExplainRequest, progress: Progress = silent) -> ExplainResult:  # noqa: ARG001
    """The top K with reasons. Raises NotFoundError for an unknown run or item, InputError for a run that has not finished."""
    recommender = load_recommender(workspace, request.run)
    best = [item.item for item in recommender.answer(RecommendRequest(**request.model_dump())).items]
    return explain_items(workspace, recommender, request.items, best)


def explain_items(
    workspace: Workspace, recommender: Recommender, session: Sequence[str], items: Sequence[str]
) -> ExplainResult:
    """Reasons for any items after a session, in their order.

    Raises InputError where there is no item, or more than `MOST_EXPLAINED`; NotFoundError for an unknown one.
    """
    from genair_engine.serving.reasons import leave_one_out  # torch, which pages that only show results do not wait for

    if not 1 <= len(items) <= MOST_EXPLAINED:
        raise InputError(f"Between 1 and {MOST_EXPLAINED} items are explained at once, not {len(items)}.")
    run, dataset = recommender.run, recommender.catalogue
    taken, listed = (np.array(positions_of(dataset, list(ids))) for ids in (session, items))
    scores, without = leave_one_out(recommender.recommender, taken, listed)
    archetypes, audiences = _audiences(workspace, run, dataset, [*taken.tolist(), *listed.tolist()])
    chosen = dataset.items.iloc[listed - 1]
    reasons = [
        Reason(
            item=item_id,
            position=int(position),
            title=title,
            score=float(scores[column]),
            popularity=int(dataset.popularity[position]),
            popularity_group=int(dataset.popularity_group[position]),
            contributions=[
                Contribution(
                    place=place, item=item_taken, value=None if len(taken) == 1 else float(without[place - 1, column])
                )
                for place, item_taken in enumerate(session, start=1)
            ],
            shared=_shared(audiences, int(position), taken.tolist(), session),
        )
        for column, (position, item_id, title) in enumerate(zip(listed, chosen["item_id"], chosen["title"], strict=True))
    ]
    return ExplainResult(
        run=run,
        dataset=dataset.name,
        session=list(session),
        reads=recommender.recommender.reads or len(session),
        archetypes=archetypes.id if archetypes else None,
        model=archetypes.model if archetypes else None,
        reasons=reasons,
        **measure_list(recommender, listed.tolist()).model_dump(),
    )


def measure_list(recommender: Recommender, positions: Sequence[int]) -> ListMeasures:
    """What a list of items (indices 1…n, at least one) is like as a whole, in a run's space."""
    dataset, listed = recommender.catalogue, np.array(positions)
    exposure = np.bincount(listed, minlength=dataset.n_items + 1)[1:]
    vectors = recommender.dot_product.table()[listed].float().cpu().numpy() if recommender.dot_product is not None else None
    return ListMeasures(
        diversity=beyond.diversity(vectors) if vectors is not None and len(listed) > 1 else None,
        novelty=beyond.novelty(exposure, dataset.popularity[1:]),
        long_tail=beyond.long_tail_share(exposure, dataset.popularity_group[1:]),
    )


def _audiences(
    workspace: Workspace, run: str, dataset: Dataset, positions: Sequence[int]
) -> tuple[TextSetRow | None, dict[int, list[tuple[str, frozenset[str]]]]]:
    """The archetypes that a run was trained on, else the data set's fullest set, and the audiences named in it, by item."""
    with workspace.reading() as session:
        row, owner = run_rows.find_run(session, run)
        representation = session.get(RepresentationRow, row.representation_id) if row.representation_id else None
        made_of = representation.text_set_id if representation else None
        own = session.get(TextSetRow, made_of) if made_of else None
        chosen = own or text_rows.fullest_set(session, owner.id)
        if chosen is None:
            return None, {}
        if own and representation:
            texts = texts_made_of(session, dataset, representation, set(positions))
        else:
            texts = text_rows.texts_of_items(session, chosen.id, sorted(set(positions)))
    named = {}
    for position, text in texts.items():
        names = [audience_name(entry) for entry in split_segments(text).audiences]
        named[position] = [(name, audience_words(name)) for name in names]
    return chosen, named


def _shared(
    audiences: dict[int, list[tuple[str, frozenset[str]]]], position: int, session: Sequence[int], ids: Sequence[str]
) -> list[SharedAudience]:
    """The result's audiences that items of the session have too: for each audience and item the nearest name."""
    shared_audiences = []
    for name, words in audiences.get(position, []):
        for place, taken in enumerate(session, start=1):
            near = max(
                ((overlap(words, other), other_name) for other_name, other in audiences.get(taken, [])), default=(0.0, "")
            )
            if taken != position and near[0] >= SAME_AUDIENCE:
                item = ids[place - 1]
                shared_audiences.append(
                    SharedAudience(audience=name, place=place, item=item, of_item=near[1], overlap=near[0])
                )
    return sorted(shared_audiences, key=lambda each: (-each.overlap, -each.place))
