"""The verb `score`: the scorecard of what language models wrote, for each model over the catalogue and for single items.

What a set's scores are is measured once and kept (a file beside its states, and a row); they are measured anew when the set
has grown, or the definitions have changed. Pages read them
by `verbs.scored_items`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from genair_engine.archetypes.scorecard import MEASURES, Measure, mean_and_interval
from genair_engine.archetypes.scorecard.card import Card, measure_set
from genair_engine.archetypes.scorecard.measures import VERSION
from genair_engine.errors import InputError, OutageError
from genair_engine.store import artifacts
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.keys import new_id
from genair_engine.store.scorecards import keep_scorecard, scorecards_of, state_of_set
from genair_engine.store.tables import DatasetRow, ScorecardRow, TextSetRow, utc_now
from genair_engine.store.texts import find_set, list_sets, texts_of_set
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.score_requests import ScoreRequest, ScoreResult, SetScores, Summary
from genair_engine.verbs.texts.scored_items import Scores, arrays_of, learned_vocabulary, scores_of_item
from genair_engine.verbs.texts.text_set import states_of
from genair_engine.workspace import Workspace


def score(workspace: Workspace, request: ScoreRequest, progress: Progress = silent) -> ScoreResult:
    """Measure what is not measured yet, and report. Raises NotFoundError, InputError where there are no archetypes."""
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        chosen = _chosen(session, owner, request)
        position = find_item(session, owner, request.item).position if request.item is not None else None
    cards = [_scorecard(workspace, owner, text_set, progress) for text_set, _ in chosen]
    arrays = [arrays_of(workspace, card) for card in cards]
    has_text = [~np.isnan(measured["segments"]) for measured in arrays]
    shared = np.logical_and.reduce(has_text)
    sets = [
        SetScores(
            archetypes=row.id,
            model=row.model,
            prompt_version=row.prompt_version,
            items=texts,
            measured=card.texts,
            scored_at=card.created_at,
            measures={
                name: _summary(measure, card, values, shared if request.common else own) for name, measure in MEASURES.items()
            },
            item={} if position is None else scores_of_item(values, position),
        )
        for (row, texts), card, values, own in zip(chosen, cards, arrays, has_text, strict=True)
    ]
    return ScoreResult(dataset=owner.name, item=request.item, sets=sets, notes=_notes(request, has_text, shared))


def _chosen(session: Session, owner: DatasetRow, request: ScoreRequest) -> list[tuple[TextSetRow, int]]:
    """The sets that are asked for, each once, with their numbers of texts."""
    sets = [(row, texts) for row, texts in list_sets(session, owner.id) if texts]
    if request.archetypes:
        named = {find_set(session, owner.id, name).id for name in request.archetypes}
        sets = [(row, texts) for row, texts in sets if row.id in named]
    if not sets:
        raise InputError(f"{owner.name!r} has no archetypes to score: write them with `generate {owner.name} --model …`.")
    return sets


def _scorecard(workspace: Workspace, owner: DatasetRow, row: TextSetRow, progress: Progress) -> ScorecardRow:
    """The set's scorecard as it is, or measured now."""
    with workspace.reading() as session:
        scorecard = scorecards_of(session, [row.id], VERSION).get(row.id)
        state = state_of_set(session, row.id)
        if scorecard is not None and (scorecard.texts, scorecard.last_text) == state:
            return scorecard
        texts = texts_of_set(session, row.id)
    dataset = workspace.load_dataset(owner.name)
    what = f"scoring {row.model}"
    progress(0, len(texts), what)
    vocabulary = learned_vocabulary(workspace, owner)
    card = measure_set(
        texts,
        dataset.items["attributes"].tolist(),
        vocabulary,
        _states(workspace, row, dataset.n_items),
        dataset.split.train,
        lambda done: progress(done, len(texts), what),
    )
    return _keep(workspace, row, state, card)


def _states(
    workspace: Workspace, row: TextSetRow, n_items: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None:
    folder = workspace.fetch(row.folder)
    if not any(folder.glob("states-*.safetensors")):
        return None
    _, decoding, there = states_of(folder, n_items)
    return decoding, there


def _keep(workspace: Workspace, row: TextSetRow, state: tuple[int, int], card: Card) -> ScorecardRow:
    behaviour = card.behaviour
    kept = ScorecardRow(
        set_id=row.id,
        version=VERSION,
        texts=state[0],
        last_text=state[1],
        behaviour={"auc": behaviour.auc, "low": behaviour.low, "high": behaviour.high, "pairs": behaviour.pairs},
        file=f"{row.folder}/scores-{new_id()}.safetensors",
        created_at=utc_now(),
    )
    try:
        artifacts.save_arrays(workspace.path(kept.file), card.items)
        workspace.publish(kept.file)
        with workspace.session() as session:
            earlier = keep_scorecard(session, kept)
            session.flush()
            current = scorecards_of(session, [row.id], VERSION)[row.id]
    except OutageError:
        raise  # perhaps while the row was committed, which may be there then: files that no row names do no harm
    except BaseException:
        workspace.discard(kept.file)
        raise
    if earlier is not None:
        workspace.discard(earlier)
    return current


def _summary(measure: Measure, card: ScorecardRow, values: Scores, counted: npt.NDArray[np.bool_]) -> Summary:
    if measure.name == "behaviour":
        of = card.behaviour
        return Summary(mean=of["auc"], low=of["low"], high=of["high"], n=of["pairs"])
    mean, low, high, n = mean_and_interval(values[measure.name][counted], measure)
    return Summary(mean=mean, low=low, high=high, n=n)


def _notes(request: ScoreRequest, has_text: Sequence[npt.NDArray[np.bool_]], shared: npt.NDArray[np.bool_]) -> list[str]:
    if all((own == shared).all() for own in has_text):
        return []
    if request.common:
        return [
            f"Means are over the {shared.sum():,} items that all sets have a text of; specificity and diversity are distances "
            "to all texts of a set, and behaviour agreement is of the whole set."
        ]
    return ["The sets hold texts of different items: compare them with --common, or finish them first."]
