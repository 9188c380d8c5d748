"""What pages read of single items: the scores that `score` has kept, and what can be said of any text at once.

Nothing here measures a set, so that an item is shown in milliseconds, whatever the size of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from genair_engine.archetypes.scorecard import Vocabulary, ground, learn_vocabulary
from genair_engine.archetypes.scorecard.measures import VERSION
from genair_engine.archetypes.scorecard.vocabulary import VERSION as VOCABULARY_VERSION
from genair_engine.archetypes.segments import split_segments
from genair_engine.store import artifacts
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.scorecards import scorecards_of, state_of_set
from genair_engine.store.tables import DatasetRow, ScorecardRow
from genair_engine.store.texts import list_sets, texts_of_item
from genair_engine.verbs.base import Record
from genair_engine.workspace import Workspace

LIVE_ITEMS = 2000
"""A catalogue of at most so many items has its vocabulary learned while a page waits (a millisecond an item)."""

Scores = dict[str, npt.NDArray[np.float32]]


class MarkedClaim(Record):
    """What the text claims at text[start:end]; reason: one sentence on why it is supported by the metadata, or not."""

    start: int
    end: int
    term: str
    kind: Literal["brand", "material", "property", "attribute", "number", "age"]
    supported: bool
    reason: str


class TextScores(Record):
    """What can be said of any text at once. grounding: None where nothing is claimed. claims: in the order of the text."""

    grounding: float | None
    segments: int
    claims: list[MarkedClaim]


class ItemScores(Record):
    """The scorecard of one archetype. scores: measure → value, None where it has none; {} where the set was not measured
    yet.

    stale: the set was never measured, or has changed since. text: of the text as it is now; None where the catalogue's
    vocabulary is not learned yet (`score` does it).
    """

    archetypes: str
    model: str
    scores: dict[str, float | None]
    stale: bool
    text: TextScores | None


def item_scores(workspace: Workspace, dataset: str, item_id: str) -> list[ItemScores]:
    """The scores of an item's archetypes, oldest set first, without measuring a set: for pages. Raises NotFoundError."""
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        item = find_item(session, owner, item_id)
        texts = texts_of_item(session, owner.id, item.position)
        cards = scorecards_of(session, [row.id for row, _ in texts], VERSION)
        fresh = _fresh(session, cards)
    vocabulary = _vocabulary_at_hand(workspace, owner)
    return [
        ItemScores(
            archetypes=row.id,
            model=row.model,
            scores=scores_of_item(arrays_of(workspace, cards[row.id]), item.position) if row.id in cards else {},
            stale=row.id not in fresh,
            text=_text_scores(text.text, item.attributes, vocabulary) if vocabulary else None,
        )
        for row, text in texts
    ]


def measured_sets(workspace: Workspace, dataset: str) -> set[str]:
    """The sets whose scorecard is of what they hold now: those that `score` reports at once. Raises NotFoundError."""
    with workspace.reading() as session:
        sets = [row.id for row, _ in list_sets(session, find_dataset(session, dataset).id)]
        return _fresh(session, scorecards_of(session, sets, VERSION))


def _fresh(session: Session, cards: Mapping[str, ScorecardRow]) -> set[str]:
    return {name for name, card in cards.items() if (card.texts, card.last_text) == state_of_set(session, name)}


def score_text(workspace: Workspace, dataset: str, item_id: str, text: str) -> TextScores | None:
    """The same for any text about an item, such as one that is being edited; None where the vocabulary is not learned yet."""
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        attributes = find_item(session, owner, item_id).attributes
    vocabulary = _vocabulary_at_hand(workspace, owner)
    return _text_scores(text, attributes, vocabulary) if vocabulary else None


def arrays_of(workspace: Workspace, card: ScorecardRow) -> Scores:
    """The kept scores of a set: measure → [n_items], nan where there is none."""
    return artifacts.load_arrays(workspace.fetch(card.file))


def scores_of_item(values: Scores, position: int) -> dict[str, float | None]:
    """One item's scores by measure."""
    return {name: None if np.isnan(of_set[position - 1]) else float(of_set[position - 1]) for name, of_set in values.items()}


def _text_scores(text: str, attributes: dict[str, str], vocabulary: Vocabulary) -> TextScores:
    grounding = ground(text, attributes, vocabulary)
    return TextScores(
        grounding=grounding.score,
        segments=len(split_segments(text).audiences),
        claims=[MarkedClaim.model_validate(claim, from_attributes=True) for claim in grounding.claims],
    )


def _vocabulary_name(owner: DatasetRow) -> str:
    return f"{owner.folder}/vocabulary-{VOCABULARY_VERSION}.json"


def _vocabulary_at_hand(workspace: Workspace, owner: DatasetRow) -> Vocabulary | None:
    """The catalogue's vocabulary where it is learned already, or learned in a moment."""
    path = workspace.fetch(_vocabulary_name(owner), optional=True)
    if path.exists():
        return _read_vocabulary(path)
    return learned_vocabulary(workspace, owner) if owner.n_items <= LIVE_ITEMS else None


def learned_vocabulary(workspace: Workspace, owner: DatasetRow) -> Vocabulary:
    """The catalogue's vocabulary, learned now where it never was: a millisecond an item."""
    name = _vocabulary_name(owner)
    path = workspace.fetch(name, optional=True)
    if not path.exists():
        items = workspace.load_dataset(owner.name).items
        vocabulary = learn_vocabulary(items["attributes"].tolist(), items["brand"].tolist())
        artifacts.make_folder(path.parent)  # of a cache that was deleted
        artifacts.save_json(path, vocabulary.to_json())
        workspace.publish(name)
    return _read_vocabulary(path)


@lru_cache(maxsize=4)
def _read_vocabulary(path: Path) -> Vocabulary:
    """Kept in memory: the file of a path never changes (folders and versions are in it)."""
    return Vocabulary(**artifacts.load_json(path))
