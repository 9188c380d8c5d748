"""The evaluation protocols: oracles 7 and 8 of methods.md section 9, and a naive reference."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.negatives import draw_negatives
from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.evaluation import protocol as module
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import (
    Protocol,
    evaluate,
    full_ranks,
    leave_out,
    rank_targets,
    sampled_ranks,
    top_items,
)


class FixedRecommender:
    """Scores by a function of (history, item); remembers the histories it was shown."""

    def __init__(self, score):
        self.function = score
        self.histories = {}

    def score(self, sessions, items=None):
        rows = []
        for row, user in enumerate(sessions.users.tolist()):
            self.histories[user] = sessions.histories[row].tolist()
            rows.append(self.function(self.histories[user]))
        return torch.tensor(np.array(rows), dtype=torch.float32)


class Anonymous(FixedRecommender):
    """The same for sessions without users."""

    def score(self, sessions, items=None):
        assert sessions.users is None
        return super().score(Sessions(sessions.histories, np.arange(len(sessions))), items)


def pseudo_random(n_items):
    """Scores that depend on the history, with many ties."""

    def scores(history):
        rng = np.random.default_rng(history)
        return rng.integers(0, 6, n_items + 1).astype(float)

    return scores


def rank_all(scores, targets, seen=None):
    """Ranks of the targets in a copy of the scores, which ranking overwrites."""
    scores = scores.clone()
    return full_ranks(scores, leave_out(scores, targets, seen))


@pytest.fixture
def negatives(tiny):
    return draw_negatives(tiny.sequences, tiny.split.users, tiny.n_items, count=5)


def naive_rank(scores, target, competing):
    others = [item for item in competing if item not in (0, target)]
    above = sum(scores[item] > scores[target] for item in others)
    level = sum(scores[item] == scores[target] for item in others)
    return above + level / 2


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("block", [1, 40, 10_000])
def test_equals_a_naive_ranking(tiny, negatives, part, exclude_seen, block, monkeypatch):
    monkeypatch.setattr(module, "MAX_BLOCK_SCORES", block)
    recommender = FixedRecommender(pseudo_random(tiny.n_items))
    ranks = evaluate(recommender, tiny, negatives, part, Protocol(exclude_seen=exclude_seen))
    cut = {"valid": -2, "test": -1}[part]
    for row, user in enumerate(tiny.split.users.tolist()):
        sequence = tiny.sequences[user].tolist()
        history, target = sequence[:cut], sequence[cut]
        assert recommender.histories[user] == history
        scores = recommender.function(history)
        competing = set(range(1, tiny.n_items + 1)) - (set(history) if exclude_seen else set())
        assert ranks.full[row] == naive_rank(scores, target, competing)
        assert ranks.sampled[row] == naive_rank(scores, target, negatives[row].tolist())
    assert len(recommender.histories) == len(tiny.split.users) == 8  # eve and gus are too short to be evaluated


def test_a_constant_recommender_ranks_in_the_middle():
    scores = torch.zeros(3, 201)
    targets = np.array([5, 6, 7], dtype=np.int32)
    negatives = np.tile(np.arange(101, 201, dtype=np.int32), (3, 1))
    ranks = sampled_ranks(scores, targets, negatives)
    assert ranks.tolist() == [50, 50, 50]
    assert metrics(ranks)["HR@10"] == 0
    assert rank_all(scores, targets).tolist() == [99.5] * 3


def test_absent_negatives_do_not_compete():
    scores = -torch.arange(10.0).repeat(1, 1)  # item 0, the padding, would win
    assert sampled_ranks(scores, np.array([3], dtype=np.int32), np.array([[7, 0, 0]], dtype=np.int32)) == [0]
    assert rank_all(scores, np.array([3], dtype=np.int32)) == [2]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_stop_the_evaluation(tiny, negatives, bad):
    def scores(history):
        values = np.zeros(tiny.n_items + 1)
        if history[0] == 8:  # cem and ida
            values[5] = bad
        return values

    with pytest.raises(NonFiniteError, match="'cem'"):
        evaluate(FixedRecommender(scores), tiny, negatives, "valid", Protocol())


def test_anonymous_sessions_are_ranked_as_those_of_users(tiny):
    histories, targets = tiny.split.train.take(tiny.split.users), tiny.split.valid
    recommender = Anonymous(pseudo_random(tiny.n_items))
    ranks = rank_targets(recommender, tiny, Sessions(histories), targets, None, Protocol())
    expected = evaluate(FixedRecommender(recommender.function), tiny, None, "valid", Protocol())
    assert ranks.full.tolist() == expected.full.tolist()
    recommender.function = lambda history: np.full(tiny.n_items + 1, np.nan)
    with pytest.raises(NonFiniteError, match="an anonymous session"):
        rank_targets(recommender, tiny, Sessions(histories), targets, None, Protocol())


def test_negatives_of_another_split_are_refused(tiny, negatives):
    with pytest.raises(InputError, match="7 users"):
        evaluate(FixedRecommender(pseudo_random(tiny.n_items)), tiny, negatives[:7], "test", Protocol())


def test_a_data_set_of_short_sequences_cannot_be_evaluated(tiny, negatives):
    short = type(tiny)("short", tiny.items, Sequences.from_lists([[1, 2], [3]]), ["a", "b"])
    with pytest.raises(InputError, match="three or more"):
        evaluate(FixedRecommender(pseudo_random(tiny.n_items)), short, negatives, "test", Protocol())


def test_what_is_not_asked_for_is_not_made(tiny, negatives):
    recommender = FixedRecommender(pseudo_random(tiny.n_items))
    everything = evaluate(recommender, tiny, negatives, "valid", Protocol(), top=3)
    ranks = evaluate(recommender, tiny, None, "valid", Protocol())
    assert ranks.sampled is None and ranks.lists is None
    assert ranks.full.tolist() == everything.full.tolist()
    assert metrics(ranks.sampled) == {}


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("top", [1, 4, 30])
def test_lists_equal_a_naive_sort(tiny, part, exclude_seen, top, monkeypatch):
    monkeypatch.setattr(module, "MAX_BLOCK_SCORES", 40)
    recommender = FixedRecommender(pseudo_random(tiny.n_items))
    lists = evaluate(recommender, tiny, None, part, Protocol(exclude_seen=exclude_seen), top).lists
    assert lists.shape == (8, top) and lists.dtype == np.int32
    cut = {"valid": -2, "test": -1}[part]
    for row, user in enumerate(tiny.split.users.tolist()):
        sequence = tiny.sequences[user].tolist()
        history, target = sequence[:cut], sequence[cut]
        scores = recommender.function(history)
        competing = set(range(1, tiny.n_items + 1)) - (set(history) if exclude_seen else set()) | {target}
        expected = sorted(competing, key=lambda item: (-scores[item], item))[:top]
        assert lists[row].tolist() == expected + [0] * (top - len(expected))


@st.composite
def score_blocks(draw):
    """(scores [B, n + 1], targets, seen) with ties, huge and tiny differences."""
    users, items = draw(st.integers(1, 5)), draw(st.integers(1, 30))
    values = draw(
        st.sampled_from([[0.0, 1.0], [-1.0, 0.0, 2.0, 3.0], [0.0, 1e-45, -1e-45, 1e-38], [3e38, -3e38, 1.0, 1 + 2e-7]])
    )
    cells = st.lists(st.sampled_from(values), min_size=users * (items + 1), max_size=users * (items + 1))
    scores = torch.tensor(draw(cells), dtype=torch.float32).view(users, items + 1)
    index = st.integers(1, items)
    targets = np.array(draw(st.lists(index, min_size=users, max_size=users)), dtype=np.int32)
    width = draw(st.integers(1, 4))
    seen = draw(st.lists(st.lists(st.integers(0, items), min_size=width, max_size=width), min_size=users, max_size=users))
    return scores, targets, np.array(seen, dtype=np.int64)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(score_blocks(), st.integers(1, 40))
def test_ranks_and_lists_equal_brute_force_on_any_scores(block, top):
    scores, targets, seen = block
    ranks = rank_all(scores, targets, seen)
    masked = scores.clone()
    leave_out(masked, targets, seen)
    lists = top_items(masked, top)
    for row, target in enumerate(targets.tolist()):
        values = scores[row].tolist()
        competing = set(range(1, len(values))) - set(seen[row].tolist()) | {target}
        assert ranks[row] == naive_rank(values, target, competing)
        expected = sorted(competing, key=lambda item: (-values[item], item))[:top]
        assert lists[row].tolist() == expected + [0] * (top - len(expected))
        if values.count(values[target]) == 1:
            assert (target in lists[row]) == (ranks[row] < top)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from(["valid", "test"]))
def test_whole_pass_equals_brute_force_on_random_data(seed, exclude_seen, part):
    random = np.random.default_rng(seed)
    n_items = int(random.integers(2, 25))
    lists = [random.integers(1, n_items + 1, size=random.integers(1, 9)).tolist() for _ in range(random.integers(1, 12))]
    lists.append(random.integers(1, n_items + 1, size=3).tolist())
    dataset = Dataset(
        "random", pd.DataFrame(index=range(n_items)), Sequences.from_lists(lists), [str(u) for u in range(len(lists))]
    )
    recommender = FixedRecommender(pseudo_random(n_items))
    ranks = evaluate(recommender, dataset, None, part, Protocol(exclude_seen=exclude_seen))
    cut = {"valid": -2, "test": -1}[part]
    evaluated = [row for row in lists if len(row) >= 3]
    assert len(ranks.full) == len(evaluated)
    for rank, row in zip(ranks.full, evaluated, strict=True):
        competing = set(range(1, n_items + 1)) - (set(row[:cut]) if exclude_seen else set())
        assert rank == naive_rank(recommender.function(row[:cut]), row[cut], competing)


def test_scores_made_in_inference_mode_can_be_ranked(tiny):
    class Inference(FixedRecommender):
        @torch.inference_mode()
        def score(self, sessions, items=None):
            return super().score(sessions, items)

    scores = pseudo_random(tiny.n_items)
    expected = evaluate(FixedRecommender(scores), tiny, None, "test", Protocol())
    assert evaluate(Inference(scores), tiny, None, "test", Protocol()).full.tolist() == expected.full.tolist()


@pytest.mark.parametrize("top", [1, 3, 5, 8])
def test_lists_where_almost_everything_ties(top):
    """As with neighbourhood methods: three items have a score, all others 0; one user's list is full before the zeros."""
    scores = torch.zeros(3, 401)
    scores[0, [399, 57, 58]] = torch.tensor([1.0, 3.0, 1.0])
    scores[1, 100:110] = 2.0
    scores[:, 0] = scores[2, :5] = -torch.inf
    expected = [
        [57, 58, 399, 1, 2, 3, 4, 5],
        [*range(100, 108)],
        [*range(5, 13)],
    ]
    assert top_items(scores, top).tolist() == [row[:top] for row in expected]
