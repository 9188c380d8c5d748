"""Floors against dense references made by loops over users, on small data; nothing held out reaches a score."""

import numpy as np
import pytest
import torch

from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.errors import InputError
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Protocol, evaluate
from genair_engine.methods.floors import FLOORS, Content, Mixed, Popularity, item_knn, transition_knn

DATA = synthetic_dataset(users=30, items=14, interactions=220, seed=5)  # sequences with repeated items
VECTORS = np.random.default_rng(0).normal(size=(14, 6)).astype(np.float32)
HISTORIES = [[3], [1, 2, 3], [5, 5, 5, 9], [14, 1, 14, 2, 7, 8, 9, 10, 11, 12, 13, 1]]


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
    assert_scores(item_knn(DATA, shrinkage, decay), dense_item_knn(shrinkage), decay)


@pytest.mark.parametrize(
    ("window", "backward", "shrinkage", "decay"), [(1, 0.0, 1.0, 1.0), (10, 0.25, 10.0, 0.7), (3, 1.0, 2.0, 0.5)]
)
def test_transition_knn_equals_a_dense_reference(window, backward, shrinkage, decay):
    floor = transition_knn(DATA, window, backward, shrinkage, decay)
    assert_scores(floor, dense_transitions(window, backward, shrinkage), decay)


def test_transitions_have_a_direction():
    rows = [[1, 2, 3, 4]] * 3  # trained on 1, 2
    data = type(DATA)("chain", DATA.items, Sequences.from_lists(rows), ["a", "b", "c"])
    forward = scores(transition_knn(data, backward=0.0), [[1], [2]])
    assert forward[0, 2] > 0 and forward[1].abs().sum() == 0
    both = scores(transition_knn(data, backward=0.25), [[1], [2]])
    assert both[1, 1] == pytest.approx(0.25 * both[0, 2].item())


def test_content_is_the_cosine_with_the_last_item_for_sessions_of_one():
    cosines = scores(Content(DATA, VECTORS), [[4]])[0, 1:]
    expected = torch.nn.functional.cosine_similarity(torch.from_numpy(VECTORS), torch.from_numpy(VECTORS[3:4]))
    assert torch.allclose(cosines, expected, atol=1e-6)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_content_equals_a_dense_reference(decay):
    unit = np.vstack([np.zeros(6), VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)])
    assert_scores(Content(DATA, VECTORS, decay), unit @ unit.T, decay)


def test_an_item_without_content_scores_zero():
    vectors = VECTORS.copy()
    vectors[6] = 0
    cosines = scores(Content(DATA, vectors))
    assert torch.isfinite(cosines).all() and cosines[:, 7].abs().max() == 0


def test_mixed_adds_the_parts():
    content, knn = Content(DATA, VECTORS), item_knn(DATA)
    assert torch.allclose(scores(Mixed(content, knn, 3.0)), scores(content) + 3 * scores(knn), atol=1e-6)


def test_popularity_counts_training_interactions():
    everything = [item for row in train_rows(DATA) for item in row]
    assert scores(Popularity(DATA))[1].tolist() == [everything.count(item) for item in range(15)]


@pytest.mark.parametrize("name", FLOORS)
def test_held_out_items_never_change_a_score(name):
    changed = DATA.sequences.items.copy()
    for back in (1, 2):
        ends = DATA.sequences.offsets[DATA.split.users + 1] - back
        changed[ends] = changed[ends] % 14 + 1
    other = type(DATA)("other", DATA.items, Sequences(changed, DATA.sequences.offsets), DATA.user_ids)
    assert torch.equal(scores(FLOORS[name](DATA, VECTORS)), scores(FLOORS[name](other, VECTORS)))


@pytest.mark.parametrize("name", FLOORS)
def test_scores_are_fresh_and_do_not_depend_on_the_block(name):
    floor = FLOORS[name](DATA, VECTORS)
    together = scores(floor)
    assert together.dtype == torch.float32 and together.shape == (4, 15)
    kept = together.clone()
    together.fill_(-torch.inf)
    alone = torch.cat([scores(floor, [history]) for history in HISTORIES])
    assert torch.allclose(alone, kept, atol=1e-6)


@pytest.mark.parametrize("name", FLOORS)
def test_scores_of_some_items_are_those_of_the_catalogue(name):
    floor, items = FLOORS[name](DATA, VECTORS), torch.tensor([9, 2, 9])
    some = floor.score(Sessions.from_lists(HISTORIES), items)
    assert some.dtype == torch.float32
    torch.testing.assert_close(some, scores(floor)[:, items])


@pytest.mark.parametrize("name", FLOORS)
def test_floors_find_the_planted_clusters(name):
    """Items belong to clusters and users keep to theirs. Random scores would have NDCG@10 of about 4.54 / 85."""
    data = synthetic_dataset(users=400, items=90, interactions=4000, seed=2)
    cluster = np.eye(9, dtype=np.float32)[np.arange(90) % 9]
    ranks = evaluate(FLOORS[name](data, cluster), data, None, "test", Protocol())
    assert metrics(ranks.full)["NDCG@10"] > 0.08
    assert np.median(ranks.full) < 30


@pytest.mark.parametrize("name", [name for name, floor in FLOORS.items() if floor.needs_representation])
def test_a_missing_or_unfitting_representation_is_refused(name):
    with pytest.raises(InputError, match="represent"):
        FLOORS[name](DATA)
    with pytest.raises(InputError, match="13 rows for 14 items"):
        FLOORS[name](DATA, VECTORS[:13])


@pytest.mark.parametrize("name", [name for name, floor in FLOORS.items() if not floor.needs_representation])
def test_floors_of_interactions_need_no_representation(name):
    assert torch.isfinite(scores(FLOORS[name](DATA))).all()
