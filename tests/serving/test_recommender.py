"""Top-K for sessions of nobody in particular."""

import numpy as np
import pytest
import torch

from genair_engine.catalog.dataset import Sequences
from genair_engine.errors import InputError
from genair_engine.methods.config import ModelConfig
from genair_engine.methods.recommender import TableScorer
from genair_engine.methods.registry import build_recommender
from genair_engine.serving.recommender import Recommender


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_recommender(ModelConfig(method="id", dim=8, layers=1, max_len=4), 9)


def test_best_first_without_seen_items(model):
    session = [3, 1]
    best = Recommender(model).top_k(session, k=5)
    scores = TableScorer(model).score(Sequences.from_lists([session]), np.array([0]))[0]
    order = [int(item) for item in scores[1:].argsort(descending=True) + 1 if int(item) not in session]
    assert [one.item for one in best] == order[:5]
    assert [one.score for one in best] == pytest.approx([float(scores[item]) for item in order[:5]])


def test_seen_items_on_demand_and_no_more_than_there_are(model):
    recommender = Recommender(model)
    assert len(recommender.top_k([1], k=50)) == 8
    assert {one.item for one in recommender.top_k([1], k=50, exclude_seen=False)} == set(range(1, 10))


def test_order_matters_and_only_the_last_items_are_read(model):
    recommender = Recommender(model)
    assert recommender.top_k([1, 2], 3, False) != recommender.top_k([2, 1], 3, False)
    assert recommender.top_k([9, 1, 2, 3, 4], 3, False) == recommender.top_k([5, 1, 2, 3, 4], 3, False)
    assert 9 not in {one.item for one in recommender.top_k([9, 1, 2, 3, 4], 9)}  # too old to be read, still seen


def test_ties_go_to_the_smaller_index(model):
    with torch.no_grad():
        model.items.embedding.weight[1:] = 0.0  # equal scores, exactly, however they are summed
    assert [one.item for one in Recommender(model).top_k([4], k=4)] == [1, 2, 3, 5]


@pytest.mark.parametrize(("session", "k", "message"), [([], 5, "empty"), ([10], 5, "10"), ([0], 5, "0"), ([1], 0, "k must")])
def test_bad_requests(model, session, k, message):
    with pytest.raises(InputError, match=message):
        Recommender(model).top_k(session, k)
