"""Floors against dense references made by loops over users, on small data; nothing held out reaches a score."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.errors import InputError
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Protocol, evaluate
from genair_engine.methods.base import ITEM_PARTS, BuildContext
from genair_engine.methods.item_parts import ItemParts
from genair_engine.methods.registry import METHODS

DATA = synthetic_dataset(users=30, items=14, interactions=220, seed=5)  # sequences with repeated items
VECTORS = np.random.default_rng(0).normal(size=(14, 6)).astype(np.float32)
HISTORIES = [[3], [1, 2, 3], [5, 5, 5, 9], [14, 1, 14, 2, 7, 8, 9, 10, 11, 12, 13, 1]]
FLOORS = [method.name for method in METHODS.values() if method.tags.floor]
OF_CONTENT = [name for name in FLOORS if METHODS[name].needs]


def context_of(name, dataset=DATA, vectors=VECTORS, **options):
    inputs = {ITEM_PARTS.role: ItemParts.of_one_part(vectors)} if METHODS[name].needs and vectors is not None else {}
    return BuildContext(dataset.n_items, METHODS[name].options(**options), inputs, dataset=dataset)


def floor_of(name, dataset=DATA, vectors=VECTORS, **options):
    """Fitted, and built from what was fitted as a stored run is: without the data set."""
    context = context_of(name, dataset, vectors, **options)
    fitted = METHODS[name].fit(context)
    return METHODS[name].build(replace(context, dataset=None, fitted=fitted))


def train_rows(dataset):
    rows = [dataset.sequences[user].tolist() for user in range(dataset.n_users)]
    return [row[:-2] if len(row) >= 3 else row for row in rows]


def weighted_sum(similarity, history, decay):
    """Loop over the history, oldest item first: weights double back from the last item and are normalised to 1."""
    weights = [decay ** (len(history) - 1 - place) for place in range(len(history))]
    return sum(weight * similarity[item] for weight, item in zip(weights, history, strict=True)) / sum(weights)


def scores(floor, histories=HISTORIES):
    return floor.score(Sessions.from_lists(histories))


def assert_scores(floor, similarity, decay):
    for row, history in zip(scores(floor), HISTORIES, strict=True):
        assert row.tolist()[1:] == pytest.approx(weighted_sum(similarity, history, decay)[1:], abs=1e-6)


def dense_item_knn(shrinkage):
    sets = [set(row) for row in train_rows(DATA)]
    having = {item: {user for user, items in enumerate(sets) if item in items} for item in range(1, 15)}
    similarity = np.zeros((15, 15))
    for a in having:
        for b in having:
            if a != b and having[a] and having[b]:
                shared = len(having[a] & having[b])
                similarity[a, b] = shared / ((len(having[a]) * len(having[b])) ** 0.5 + shrinkage)
    return similarity


def dense_transitions(window, backward, shrinkage):
    counts, steps = np.zeros(15), np.zeros((15, 15))
    for row in train_rows(DATA):
        for place, item in enumerate(row):
            counts[item] += 1
            for distance in range(1, window + 1):
                if place + distance < len(row) and row[place + distance] != item:
                    steps[item, row[place + distance]] += 1 / distance
    return (steps + backward * steps.T) / (counts[:, None] + shrinkage)


@pytest.mark.parametrize(("shrinkage", "decay"), [(0.0, 1.0), (10.0, 0.7), (1.0, 0.2)])
def test_item_knn_equals_a_dense_reference(shrinkage, decay):
    assert_scores(floor_of("item-knn", shrinkage=shrinkage, decay=decay), dense_item_knn(shrinkage), decay)


@pytest.mark.parametrize(
    ("window", "backward", "shrinkage", "decay"), [(1, 0.0, 1.0, 1.0), (10, 0.25, 10.0, 0.7), (3, 1.0, 2.0, 0.5)]
)
def test_transition_knn_equals_a_dense_reference(window, backward, shrinkage, decay):
    floor = floor_of("transition-knn", window=window, backward=backward, shrinkage=shrinkage, decay=decay)
    assert_scores(floor, dense_transitions(window, backward, shrinkage), decay)


def test_transitions_have_a_direction():
    rows = [[1, 2, 3, 4]] * 3  # trained on 1, 2
    data = type(DATA)("chain", DATA.items, Sequences.from_lists(rows), ["a", "b", "c"])
    forward = scores(floor_of("transition-knn", data, backward=0.0), [[1], [2]])
    assert forward[0, 2] > 0 and forward[1].abs().sum() == 0
    both = scores(floor_of("transition-knn", data, backward=0.25), [[1], [2]])
    assert both[1, 1] == pytest.approx(0.25 * both[0, 2].item())


def test_content_is_the_cosine_with_the_last_item_for_sessions_of_one():
    content = scores(floor_of("content"), [[4]])[0, 1:]
    expected = torch.nn.functional.cosine_similarity(torch.from_numpy(VECTORS), torch.from_numpy(VECTORS[3:4]))
    assert torch.allclose(content, expected, atol=1e-6)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_content_equals_a_dense_reference(decay):
    unit = np.vstack([np.zeros(6), VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)])
    assert_scores(floor_of("content", decay=decay), unit @ unit.T, decay)


def test_an_item_without_content_scores_zero():
    vectors = VECTORS.copy()
    vectors[6] = 0
    content = scores(floor_of("content", vectors=vectors))
    assert torch.isfinite(content).all() and content[:, 7].abs().max() == 0


@pytest.mark.parametrize("neighbours", ["item-knn", "transition-knn"])
def test_a_mixture_adds_the_neighbours_to_the_content(neighbours):
    mixture = floor_of(f"content-{neighbours}", weight=3.0, decay=0.6, content_decay=0.9)
    expected = scores(floor_of("content", decay=0.9)) + 3 * scores(floor_of(neighbours, decay=0.6))
    assert torch.allclose(scores(mixture), expected, atol=1e-6)


def test_popularity_counts_training_interactions():
    everything = [item for row in train_rows(DATA) for item in row]
    assert scores(floor_of("popularity"))[1].tolist() == [everything.count(item) for item in range(15)]


@pytest.mark.parametrize("name", FLOORS)
def test_held_out_items_never_change_a_score(name):
    changed = DATA.sequences.items.copy()
    for back in (1, 2):
        ends = DATA.sequences.offsets[DATA.split.users + 1] - back
        changed[ends] = changed[ends] % 14 + 1
    other = type(DATA)("other", DATA.items, Sequences(changed, DATA.sequences.offsets), DATA.user_ids)
    assert torch.equal(scores(floor_of(name)), scores(floor_of(name, other)))


@pytest.mark.parametrize("name", FLOORS)
def test_scores_are_fresh_and_do_not_depend_on_the_block(name):
    floor = floor_of(name)
    together = scores(floor)
    assert together.dtype == torch.float32 and together.shape == (4, 15)
    kept = together.clone()
    together.fill_(-torch.inf)
    alone = torch.cat([scores(floor, [history]) for history in HISTORIES])
    assert torch.allclose(alone, kept, atol=1e-6)


@pytest.mark.parametrize("name", FLOORS)
def test_scores_of_some_items_are_those_of_the_catalogue(name):
    floor, items = floor_of(name), torch.tensor([9, 2, 9])
    some = floor.score(Sessions.from_lists(HISTORIES), items)
    assert some.dtype == torch.float32
    torch.testing.assert_close(some, scores(floor)[:, items])


@pytest.mark.parametrize("name", FLOORS)
def test_floors_find_the_planted_clusters(name):
    """Items belong to clusters and users keep to theirs. Random scores would have NDCG@10 of about 4.54 / 85."""
    data = synthetic_dataset(users=400, items=90, interactions=4000, seed=2)
    cluster = np.eye(9, dtype=np.float32)[np.arange(90) % 9]
    ranks = evaluate(floor_of(name, data, cluster), data, None, "test", Protocol())
    assert metrics(ranks.full)["NDCG@10"] > 0.08
    assert np.median(ranks.full) < 30


@pytest.mark.parametrize("name", OF_CONTENT)
def test_a_missing_or_unfitting_representation_is_refused(name):
    with pytest.raises(InputError, match="represent"):
        floor_of(name, vectors=None)
    with pytest.raises(InputError, match="13 rows for 14 items"):
        floor_of(name, vectors=VECTORS[:13])


def test_the_floors_that_every_table_shows():
    assert set(OF_CONTENT) == {"content", "content-item-knn", "content-transition-knn"}
    assert set(FLOORS) - set(OF_CONTENT) == {"popularity", "item-knn", "transition-knn"}
    for name in FLOORS:
        assert not METHODS[name].tags.trained and not METHODS[name].tags.dot_product


@pytest.mark.parametrize("name", [name for name in FLOORS if name != "content"])
def test_what_is_counted_needs_the_training_data(name):
    with pytest.raises(InputError, match="data set"):
        METHODS[name].fit(replace(context_of(name), dataset=None))
