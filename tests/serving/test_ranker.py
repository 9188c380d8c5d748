"""Top-K for sessions of nobody in particular."""

import numpy as np
import pytest
import torch

from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError, NonFiniteError, NotFoundError
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.recommender import TableRecommender
from genair_engine.serving import ranker as module
from genair_engine.serving.indexing import build_index
from genair_engine.serving.ranker import Ranker

N = 9
IDS = [f"i{k}" for k in range(1, N + 1)]
TITLES = [f"Item {k}" for k in range(1, N + 1)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_recommender(RunConfig.of(method="id", dim=8, layers=1, max_len=4), N)


def best_of(ranker, session, k=10, exclude_seen=True):
    """(item index, score) of one session's list."""
    items, scores = ranker.top([session], k, exclude_seen)
    return [(item, score) for item, score in zip(items[0].tolist(), scores[0].tolist(), strict=True) if item]


@pytest.fixture
def ranker(model):
    return Ranker(TableRecommender(model), IDS, TITLES)


def test_best_first_without_seen_items(model, ranker):
    session = [3, 1]
    best = best_of(ranker, session, k=5)
    scores = TableRecommender(model).score(Sessions.from_lists([session]))[0]
    order = [int(item) for item in scores[1:].argsort(descending=True) + 1 if int(item) not in session]
    assert [item for item, _ in best] == order[:5]
    assert [score for _, score in best] == pytest.approx([float(scores[item]) for item in order[:5]])


def test_seen_items_on_demand_and_no_more_than_there_are(ranker):
    assert len(best_of(ranker, [1], k=50)) == 8
    assert {item for item, _ in best_of(ranker, [1], k=50, exclude_seen=False)} == set(range(1, 10))


def test_order_matters_and_only_the_last_items_are_read(ranker):
    assert best_of(ranker, [1, 2], 3, False) != best_of(ranker, [2, 1], 3, False)
    assert best_of(ranker, [9, 1, 2, 3, 4], 3, False) == best_of(ranker, [5, 1, 2, 3, 4], 3, False)
    assert 9 not in {item for item, _ in best_of(ranker, [9, 1, 2, 3, 4], 9)}  # too old to be read, still seen


def test_ties_go_to_the_smaller_index(model):
    with torch.no_grad():
        model.items.embedding.weight[1:] = 0.0  # equal scores, exactly, however they are summed
    assert [item for item, _ in best_of(Ranker(TableRecommender(model), IDS, TITLES), [4], k=4)] == [1, 2, 3, 5]


def test_many_sessions_in_blocks_are_each_ranked_as_alone(ranker, monkeypatch):
    monkeypatch.setattr(module, "LEAST_BLOCK_SESSIONS", 2)
    monkeypatch.setattr(module, "MAX_BLOCK_SCORES", 1)
    monkeypatch.setattr(module, "BLOCK_SESSIONS", 2)
    sessions = [[1], [2, 3], [4, 4, 4], [5, 6, 7, 8, 9, 1], [9]]
    items, scores = ranker.top(sessions, 5)
    assert items.shape == scores.shape == (5, 5) and items.dtype == np.int32
    for row, session in enumerate(sessions):
        alone_items, alone_scores = ranker.top([session], 5)
        assert items[row].tolist() == alone_items[0].tolist()
        assert scores[row] == pytest.approx(alone_scores[0], rel=1e-4, abs=1e-6)
    assert (items[3, 3:] == 0).all() and np.isneginf(scores[3, 3:]).all()  # three items were left to compete


def test_only_some_items_may_be_recommended(ranker):
    among = np.zeros(N + 1, dtype=bool)
    among[[0, 2, 5, 7]] = True
    full = [item for item, _ in best_of(ranker, [5, 1], 9)]
    items, _ = ranker.top([[5, 1]], 9, among=among)
    assert [item for item in items[0].tolist() if item] == [item for item in full if item in (2, 7)]
    with pytest.raises(InputError, match="10 entries"):
        ranker.top([[1]], among=among[1:])


def test_scores_of_all_items_or_of_some(model, ranker):
    sessions = [[1, 2], [3], [3, 3, 2, 1, 9]]
    expected = TableRecommender(model).score(Sessions.from_lists(sessions)).numpy()
    assert ranker.scores(sessions) == pytest.approx(expected[:, 1:], rel=1e-4, abs=1e-6)
    assert ranker.scores(sessions, [9, 2, 9]) == pytest.approx(expected[:, [9, 2, 9]], rel=1e-4, abs=1e-6)
    assert ranker.states(sessions).shape == (3, 8)


class OnlyScores:
    """A recommender whose score is no dot product, as far as anybody can see."""

    reads = 4

    def __init__(self, recommender):
        self.behind = recommender

    def score(self, sessions, items=None):
        return self.behind.score(sessions, items)


def test_a_recommender_without_a_dot_product_ranks_alike(model, ranker, monkeypatch):
    plain = Ranker(OnlyScores(TableRecommender(model)), IDS, TITLES)
    monkeypatch.setattr(module, "BLOCK_SESSIONS", 2)
    sessions = [[1, 2], [3], [3, 3, 2, 1, 9]]
    items, scores = plain.top(sessions, 4)
    expected_items, expected_scores = ranker.top(sessions, 4)
    assert items.tolist() == expected_items.tolist() and scores == pytest.approx(expected_scores, rel=1e-4, abs=1e-6)
    assert plain.scores(sessions, [9, 2]) == pytest.approx(ranker.scores(sessions, [9, 2]), rel=1e-4, abs=1e-6)
    assert plain.ranks_of(["i3"], ["i5", "i1"]) == ranker.ranks_of(["i3"], ["i5", "i1"])
    with pytest.raises(InputError, match="no item vectors"):
        plain.states(sessions)
    with pytest.raises(InputError, match="no item vectors"):
        build_index(plain, [[1]] * 40)


def test_source_ids_and_titles(ranker):
    recommended = ranker.recommend(["i3", "i1"], k=3)
    assert [(item.position, item.score) for item in recommended] == best_of(ranker, [3, 1], 3)
    assert [item.item for item in recommended] == [f"i{item.position}" for item in recommended]
    assert recommended[0].title == f"Item {recommended[0].position}"
    assert len(ranker.recommend(["i1"], k=99)) == 8 and len(ranker.recommend(["i1"], k=99, include_seen=True)) == 9
    many = ranker.recommend_many([["i3", "i1"], ["i2"] * 500], k=3)
    assert [item.item for item in many[0]] == [item.item for item in recommended] and len(many[1]) == 3
    with pytest.raises(NotFoundError, match="nothing"):
        ranker.recommend(["i1", "nothing"])


@pytest.mark.parametrize(
    ("sessions", "k", "message"),
    [
        ([[]], 5, "empty"),
        ([], 5, "no session"),
        ([[10]], 5, "10"),
        ([[0]], 5, "0"),
        ([[1], [-1]], 5, "-1"),
        ([[1]], 0, "k must"),
    ],
)
def test_bad_requests(ranker, sessions, k, message):
    with pytest.raises(InputError, match=message):
        ranker.top(sessions, k)


def test_unknown_items_are_not_scored(ranker):
    with pytest.raises(InputError, match="10 does not exist"):
        ranker.scores([[1]], [10])


def test_a_diverged_model_does_not_rank(model):
    with torch.no_grad():
        model.items.embedding.weight[3] = torch.nan
    with pytest.raises(NonFiniteError, match="not finite"):
        Ranker(TableRecommender(model), IDS, TITLES)
