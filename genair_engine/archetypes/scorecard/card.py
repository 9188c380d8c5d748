"""The scorecard of one set: all measures of what a model wrote for a catalogue, as arrays that are quick to look up.

Arrays have one entry for every item of the catalogue (entry k is item k + 1), nan where the set has no text of it or a
measure has no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genair_engine.archetypes.scorecard.behaviour import Agreement, behaviour_agreement
from genair_engine.archetypes.scorecard.grounding import ground
from genair_engine.archetypes.scorecard.specificity import specificity
from genair_engine.archetypes.scorecard.vectors import directions
from genair_engine.archetypes.scorecard.vocabulary import Vocabulary
from genair_engine.archetypes.scorecard.wording import wording
from genair_engine.archetypes.segments import split_segments
from genair_engine.catalog.sequences import Sequences
from genair_engine.types import BoolArray, Float32Array

REPORT_EVERY = 500
"""Texts between two reports of progress."""


@dataclass(frozen=True)
class Card:
    """items: measure → [n_items] float32. behaviour: of the whole set."""

    items: dict[str, Float32Array]
    behaviour: Agreement


def measure_set(
    texts: Mapping[int, str],
    attributes: Sequence[Mapping[str, str]],
    vocabulary: Vocabulary,
    states: tuple[Float32Array, BoolArray] | None,
    train: Sequences,
    progress: Callable[[int], None] = lambda done: None,  # noqa: ARG005
) -> Card:
    """All measures of a set. texts: position (1 … n_items) → text; attributes: [n_items].

    states: decoding states [n_items, d] and which rows are there; None where the set has none: specificity and behaviour
    stay without values, as they do for rows that are not finite. train: training interactions. progress: called with the
    number of texts that are done.
    """
    n_items = len(attributes)
    items = {name: np.full(n_items, np.nan, dtype=np.float32) for name in ("grounding", "segments", "specificity")}
    positions = sorted(texts)
    for done, position in enumerate(positions, start=1):
        score = ground(texts[position], attributes[position - 1], vocabulary).score
        items["grounding"][position - 1] = np.nan if score is None else score
        items["segments"][position - 1] = len(split_segments(texts[position]).audiences)
        if done % REPORT_EVERY == 0 or done == len(positions):
            progress(done)
    rows = np.array(positions, dtype=np.int64) - 1
    for name, values in zip(
        ("novelty", "diversity"),
        wording([texts[position] for position in positions], [attributes[row] for row in rows]),
        strict=True,
    ):
        items[name] = np.full(n_items, np.nan, dtype=np.float32)
        items[name][rows] = values
    progress(len(positions))
    agreement = Agreement(None, None, None, 0)
    if states is not None:
        vectors, there = states
        known = np.flatnonzero(there & np.isfinite(vectors).all(axis=1))
        if len(known):
            freed = directions(vectors[known])
            progress(len(positions))
            items["specificity"][known] = specificity(freed)
            progress(len(positions))
            agreement = behaviour_agreement(freed, known + 1, train, n_items)
    return Card(items, agreement)
