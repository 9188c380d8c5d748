"""The scorecard's other measures on planted cases, against brute force, and on hostile sizes."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genair_engine.archetypes.scorecard import (
    MEASURES,
    behaviour_agreement,
    directions,
    learn_vocabulary,
    mean_and_interval,
    specificity,
    wording,
)
from genair_engine.archetypes.scorecard.behaviour import _auc
from genair_engine.archetypes.scorecard.card import measure_set
from genair_engine.archetypes.scorecard.wording import tfidf
from genair_engine.catalog.sequences import Sequences

NUMBERS = np.random.default_rng(7)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_every_measure_says_what_it_is():
    for name, measure in MEASURES.items():
        assert measure.name == name and measure.says.endswith(".") and measure.title and measure.unit
        assert measure.high is None or measure.low < measure.high


def test_directions_lose_what_all_texts_share():
    distinct = NUMBERS.normal(size=(300, 200)).astype(np.float32)
    shared = NUMBERS.normal(size=200).astype(np.float32)
    strong = NUMBERS.normal(size=(300, 1)).astype(np.float32) * shared  # one direction that dominates, and a common mean
    vectors = directions(distinct + 50 * shared + 30 * strong)
    assert vectors.shape == (300, 198) and np.allclose(
        np.linalg.norm(vectors, axis=1), 1, atol=1e-5
    )  # two of 200 axes are off
    raw = unit(distinct + 50 * shared + 30 * strong)
    assert np.abs(raw @ raw.T).mean() > 0.9
    assert np.abs(vectors @ vectors.T - np.eye(300)).mean() < 0.1


@pytest.mark.parametrize("states", [np.ones((1, 5)), np.full((6, 4), 3.0), np.zeros((2, 3))])
def test_items_that_are_all_alike_have_no_direction(states):
    vectors = directions(states.astype(np.float32))
    assert len(vectors) == len(states) and not vectors.any()


def test_specificity_is_the_distance_to_the_nearest_others(monkeypatch):
    monkeypatch.setattr(sys.modules["genair_engine.archetypes.scorecard.specificity"], "_BLOCK", 7)
    vectors = unit(NUMBERS.normal(size=(40, 6)))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    expected = 1 - np.sort(cosines, axis=1)[:, -10:].mean(axis=1)
    assert np.allclose(specificity(vectors), expected, atol=1e-6)


def test_copies_are_not_specific():
    lonely, crowd = np.eye(12)[0], np.eye(12)[1]
    vectors = unit(np.stack([lonely, *[crowd] * 11]))
    assert np.allclose(specificity(vectors), [1.0] + [0.0] * 11)
    assert np.isnan(specificity(vectors[:1])).all()
    assert np.allclose(specificity(np.stack([lonely, -lonely]).astype(np.float32)), 2.0)  # fewer others than neighbours


def test_novelty_and_diversity_of_planted_texts():
    copied, new = "soft cotton hat", "grandparents buying presents"
    metadata = [{"title": "Soft Cotton Hats", "price": "5"}, {"title": "Soft Cotton Hat"}, {"title": "Steel Pan"}, {}]
    novelty, diversity = wording([copied, new, new, "and of the 12"], metadata)
    assert np.allclose(novelty[:3], [0, 1, 1], atol=1e-9) and np.isnan(novelty[3])
    assert np.allclose(diversity[:3], [1, 0.5, 0.5]) and np.isnan(diversity[3])
    assert np.allclose(wording(["words here"], [{}])[0], 1) and np.isnan(wording(["words here"], [{}])[1]).all()


WORDS = st.lists(st.sampled_from(["hat", "Hats", "sun", "cotton", "the", "7", "parents"]), max_size=8).map(" ".join)


@settings(max_examples=50)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_wording_equals_all_pairs(pairs):
    texts, held = [text for text, _ in pairs], [{"title": text} for _, text in pairs]
    vectors = tfidf([*texts, *(text for _, text in pairs)]).toarray()
    archetypes, metadata = vectors[: len(texts)], vectors[len(texts) :]
    worded = archetypes.any(axis=1)
    novelty, diversity = wording(texts, held)
    assert (np.isnan(novelty) == ~worded).all()
    assert np.allclose(novelty[worded], 1 - (archetypes * metadata).sum(axis=1)[worded])
    if worded.sum() >= 2:
        cosines = (archetypes @ archetypes.T)[np.ix_(worded, worded)]
        others = (cosines.sum(axis=1) - np.diag(cosines)) / (worded.sum() - 1)
        assert np.allclose(diversity[worded], 1 - others)


def crowds(items=60, users=400, length=6):
    """Two crowds of users, each with items of its own, whose popularities are alike."""
    half = items // 2
    taken = [NUMBERS.choice(half, size=length, replace=False) + 1 + half * (user % 2) for user in range(users)]
    return Sequences.from_lists(taken), items


def test_archetypes_that_know_the_crowds_agree_with_behaviour():
    train, items = crowds()
    sides = np.repeat([[1.0, 0.0], [0.0, 1.0]], items // 2, axis=0)
    knowing = unit(sides + 0.05 * NUMBERS.normal(size=sides.shape))
    positions = np.arange(1, items + 1)
    agreement = behaviour_agreement(knowing, positions, train, items, pairs=2000)
    assert agreement.auc > 0.99 and agreement.low <= agreement.auc <= agreement.high and agreement.pairs > 500
    against = behaviour_agreement(unit(NUMBERS.normal(size=(items, 30))), positions, train, items, pairs=2000)
    assert 0.35 < against.auc < 0.65
    assert behaviour_agreement(knowing, positions, train, items, pairs=2000) == agreement  # the same for the same seed
    assert behaviour_agreement(knowing, positions, train, items, pairs=2000, seed=1) != agreement


def test_popularity_alone_is_no_agreement():
    """Archetypes that hold nothing but popularity cannot tell pairs of equal popularity apart."""
    items = 400
    weights = 1 / np.arange(1, items + 1)
    train = Sequences.from_lists(
        NUMBERS.choice(items, size=5, replace=False, p=weights / weights.sum()) + 1 for _ in range(2000)
    )
    popularity = np.bincount(train.items, minlength=items + 1)[1:]
    angle = np.log1p(popularity) / np.log1p(popularity).max() * np.pi / 2
    agreement = behaviour_agreement(
        np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32), np.arange(1, items + 1), train, items, pairs=5000
    )
    assert abs(agreement.auc - 0.5) < 0.05


@pytest.mark.parametrize("sequences", [[[1], [2]], [[1, 1, 1]], [[3, 4]], [[1, 2]]])
def test_without_pairs_there_is_no_agreement(sequences):
    agreement = behaviour_agreement(
        np.eye(2, dtype=np.float32), np.array([1, 2]), Sequences.from_lists(sequences), 4, pairs=50
    )
    assert (agreement.auc, agreement.low, agreement.high, agreement.pairs) == (None, None, None, 0)


def test_auc_equals_mann_whitney_with_ties_and_weights():
    taken, random = NUMBERS.integers(0, 5, 30) / 4, NUMBERS.integers(0, 5, 30) / 4
    weights = NUMBERS.integers(0, 3, (3, 30))
    for row, auc in zip(weights, _auc(taken, random, weights), strict=True):
        expected = stats.mannwhitneyu(np.repeat(taken, row), np.repeat(random, row)).statistic / row.sum() ** 2
        assert auc == pytest.approx(expected)


def test_the_interval_of_a_mean_covers_it():
    measure = MEASURES["novelty"]
    draws = NUMBERS.uniform(0.2, 0.8, size=(400, 50))
    covered = [low <= 0.5 <= high for _, low, high, _ in (mean_and_interval(row, measure) for row in draws)]
    assert 0.92 < np.mean(covered) < 0.98
    mean, low, high, n = mean_and_interval(np.array([1.0, np.nan, 1.0, 0.0]), measure)
    assert (n, high) == (3, 1.0) and low == 0.0 and mean == pytest.approx(2 / 3)  # within the measure's range
    assert mean_and_interval(np.array([0.5, np.nan]), measure) == (0.5, None, None, 1)
    assert mean_and_interval(np.array([np.nan]), measure) == (None, None, None, 0)


def test_the_interval_of_the_mean_over_pairs_covers_it():
    """Diversity's values share their pairs: sd / √n alone would be half as wide as it must be."""
    population = unit(np.abs(NUMBERS.normal(size=(2000, 4))))
    truth = 1 - (np.square(population.sum(axis=0)).sum() - 2000) / (2000 * 1999)
    covered = []
    for _ in range(300):
        rows = population[NUMBERS.choice(2000, size=40)]
        values = 1 - (rows @ rows.sum(axis=0) - 1) / 39
        _, low, high, _ = mean_and_interval(values, MEASURES["diversity"])
        covered.append(low <= truth <= high)
    assert 0.90 < np.mean(covered) < 0.99


def test_a_card_holds_what_there_is(tiny):
    attributes = tiny.items["attributes"].tolist()
    texts = {1: "A meter by Volta.\n1. Electricians: work\n2. Makers: play", 4: "Beakers made of steel, 9 of them.", 12: "the"}
    states = NUMBERS.normal(size=(12, 8)).astype(np.float32)
    states[3] = np.nan
    there = np.isin(np.arange(12), [0, 3, 11])
    done = []
    card = measure_set(
        texts,
        attributes,
        learn_vocabulary(attributes, tiny.items["brand"].tolist()),
        (states, there),
        tiny.split.train,
        done.append,
    )
    has = {name: (np.flatnonzero(~np.isnan(values)) + 1).tolist() for name, values in card.items.items()}
    assert has == {
        "grounding": [1, 4],
        "segments": [1, 4, 12],
        "specificity": [1, 12],
        "novelty": [1, 4],
        "diversity": [1, 4],
    }
    assert card.items["segments"][0] == 2 and card.items["grounding"][[0, 3]].tolist() == [1.0, 0.0]
    assert all(len(values) == 12 and values.dtype == np.float32 for values in card.items.values())
    assert set(done) == {3} and len(done) == 4
    without = measure_set(texts, attributes, learn_vocabulary(attributes, [""] * 12), None, tiny.split.train)
    assert np.isnan(without.items["specificity"]).all() and without.behaviour.auc is None
