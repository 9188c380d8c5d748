"""The verb `audience`: items for an audience in somebody's words, alone or blended with a session ("steering").

Alone, items are ordered by how alike their archetype and the description are. Blended with a session, a weight w in [0, 1]
mixes what a trained recommender would rank next with that: (1 − w) · z(score) + w · z(similarity), each standardised over the
items that compete, so that w says which share of the decision the audience has, whatever the scales of both. w = 0 is the
plain ranking, w = 1 the audience alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genair_engine.archetypes.segments import audience_words, split_segments
from genair_engine.errors import InputError
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.audience_requests import AudienceItem, AudienceRequest, AudienceResult
from genair_engine.verbs.recommending.recommend import load_recommender, positions_of
from genair_engine.verbs.representations.text_sources import texts_made_of
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.workspace import Workspace

if TYPE_CHECKING:
    from genair_engine.verbs.recommending.audience_space import AudienceSpace
    from genair_engine.verbs.recommending.recommender import Recommender

LONGEST_DESCRIPTION = 1000
"""Characters."""


def audience(
    workspace: Workspace, request: AudienceRequest, progress: Progress = silent, models: Models | None = None
) -> AudienceResult:
    """Items for an audience. Raises NotFoundError, ModelError where the space's model is missing, InputError."""
    check_description(request.text)
    progress(0, 2, "reading the description")
    space = load_audience_space(workspace, request.dataset, request.representation, models or Models(workspace.settings))
    recommender = None
    if request.run is not None:
        recommender = load_recommender(workspace, request.run)
        if recommender.dataset != request.dataset:
            raise InputError(f"Run {request.run!r} belongs to data set {recommender.dataset!r}, not to {request.dataset!r}.")
    result = find_audience(workspace, space, request, recommender)
    progress(2, 2, "found")
    return result


def load_audience_space(
    workspace: Workspace, dataset: str, representation: str | None = None, models: Models | None = None
) -> AudienceSpace:
    """A data set's archetypes, ready to be searched in words: what a page keeps between clicks.

    representation: by default the newest with a decoding part. Raises NotFoundError, ModelError where the model that reads
    descriptions is missing, and InputError where no representation has archetypes, or its model has other weights now.
    """
    from genair_engine.verbs.recommending import audience_space

    return audience_space.load(workspace, dataset, representation, models or Models(workspace.settings))


def find_audience(
    workspace: Workspace,
    space: AudienceSpace,
    request: AudienceRequest,
    recommender: Recommender | None = None,
) -> AudienceResult:
    """`audience` with the space, and for steering the run's recommender, at hand. Items of the session do not compete."""
    check_description(request.text)
    dataset = space.dataset
    similarity = space.similarity(request.text)
    among = request.among(dataset)
    competing = np.ones(dataset.n_items, dtype=bool) if among is None else among[1:]
    score = similarity.astype(np.float64)
    if recommender is not None:
        taken = positions_of(dataset, request.items)
        competing[np.array(taken) - 1] = False
        scores = recommender.scores([taken])[0].astype(np.float64)
        score = steer(scores, similarity, request.weight, competing)
    best = top_places(score, competing, request.k)
    with workspace.reading() as session:
        texts = texts_made_of(session, dataset, space.row, {int(place) + 1 for place in best})
    chosen = dataset.items.iloc[best]
    return AudienceResult(
        dataset=dataset.name,
        text=request.text,
        representation=space.row.id,
        space=space.in_words,
        run=request.run if recommender is not None else None,
        session=request.items if recommender is not None else [],
        weight=request.weight if recommender is not None else None,
        items=[
            AudienceItem(
                item=item_id,
                position=int(place) + 1,
                title=title,
                similarity=float(similarity[place]),
                score=float(score[place]),
                audience=_nearest_entry(texts.get(int(place) + 1, ""), request.text),
            )
            for place, item_id, title in zip(best, chosen["item_id"], chosen["title"], strict=True)
        ],
    )


def check_description(text: str) -> None:
    """Raises InputError where a description is empty or too long."""
    if not 0 < len(text.strip()) <= LONGEST_DESCRIPTION:
        raise InputError(f"Describe the audience in 1 to {LONGEST_DESCRIPTION:,} characters; these are {len(text.strip()):,}.")


def steer(
    scores: npt.NDArray[np.float64],
    similarity: npt.NDArray[np.float32],
    weight: float,
    competing: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """[n_items] (1 − w) · z(scores) + w · z(similarity), both standardised over the items that compete ([n_items] bool).

    Ordered as the scores for w = 0 and as the similarity for w = 1. What is the same for all of them counts nothing.
    """
    return (1 - weight) * _standardised(scores, competing) + weight * _standardised(similarity, competing)


def top_places(score: npt.NDArray[np.float64], competing: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.int64]:
    """Places (from 0) of the k best that compete, best first; ties go to the smaller place."""
    places = np.flatnonzero(competing)
    return places[np.argsort(-score[places], kind="stable")[:k]]


def _standardised(values: npt.NDArray[np.floating], competing: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    exact = values.astype(np.float64)
    among = exact[competing]
    spread = among.std() if len(among) else 0.0
    return (exact - among.mean()) / spread if spread > 0 else np.zeros_like(exact)


def _nearest_entry(text: str, description: str) -> str:
    """The audience entry with the most words of the description, the first among equals; the opening where none is listed."""
    parts = split_segments(text)
    wanted = audience_words(description)
    return max(parts.audiences, key=lambda entry: len(audience_words(entry) & wanted), default=parts.opening)
