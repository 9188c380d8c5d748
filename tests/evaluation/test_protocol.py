"""The evaluation protocols: oracles 7 and 8 of methods.md section 9, and a naive reference."""

import numpy as np
import pytest
import torch

from genair_engine.catalog.dataset import Sequences
from genair_engine.catalog.negatives import draw_negatives
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.evaluation import protocol as module
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Protocol, evaluate, full_ranks, sampled_ranks


class FixedScorer:
    """Scores by a function of (history, item); remembers the histories it was shown."""

    def __init__(self, score):
        self.function = score
        self.histories = {}

    def score(self, histories, users):
        rows = []
        for user in users.tolist():
            self.histories[user] = histories[user].tolist()
            rows.append(self.function(self.histories[user]))
        return torch.tensor(np.array(rows), dtype=torch.float32)


def pseudo_random(n_items):
    """Scores that depend on the history, with many ties."""

    def scores(history):
        rng = np.random.default_rng(history)
        return rng.integers(0, 6, n_items + 1).astype(float)

    return scores


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
    scorer = FixedScorer(pseudo_random(tiny.n_items))
    ranks = evaluate(scorer, tiny, negatives, part, Protocol(exclude_seen=exclude_seen))
    cut = {"valid": -2, "test": -1}[part]
    for row, user in enumerate(tiny.split.users.tolist()):
        sequence = tiny.sequences[user].tolist()
        history, target = sequence[:cut], sequence[cut]
        assert scorer.histories[user] == history
        scores = scorer.function(history)
        competing = set(range(1, tiny.n_items + 1)) - (set(history) if exclude_seen else set())
        assert ranks.full[row] == naive_rank(scores, target, competing)
        assert ranks.sampled[row] == naive_rank(scores, target, negatives[row].tolist())
    assert len(scorer.histories) == len(tiny.split.users) == 8  # eve and gus are too short to be evaluated


def test_a_constant_scorer_ranks_in_the_middle():
    scores = torch.zeros(3, 201)
    targets = np.array([5, 6, 7], dtype=np.int32)
    negatives = np.tile(np.arange(101, 201, dtype=np.int32), (3, 1))
    ranks = sampled_ranks(scores, targets, negatives)
    assert ranks.tolist() == [50, 50, 50]
    assert metrics(ranks)["HR@10"] == 0
    assert full_ranks(scores, targets).tolist() == [99.5] * 3


def test_absent_negatives_do_not_compete():
    scores = -torch.arange(10.0).repeat(1, 1)  # item 0, the padding, would win
    assert sampled_ranks(scores, np.array([3], dtype=np.int32), np.array([[7, 0, 0]], dtype=np.int32)) == [0]
    assert full_ranks(scores, np.array([3], dtype=np.int32)) == [2]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_stop_the_evaluation(tiny, negatives, bad):
    def scores(history):
        values = np.zeros(tiny.n_items + 1)
        if history[0] == 8:  # cem and ida
            values[5] = bad
        return values

    with pytest.raises(NonFiniteError, match="'cem'"):
        evaluate(FixedScorer(scores), tiny, negatives, "valid", Protocol())


def test_negatives_of_another_split_are_refused(tiny, negatives):
    with pytest.raises(InputError, match="7 users"):
        evaluate(FixedScorer(pseudo_random(tiny.n_items)), tiny, negatives[:7], "test", Protocol())


def test_a_data_set_of_short_sequences_cannot_be_evaluated(tiny, negatives):
    short = type(tiny)("short", tiny.items, Sequences.from_lists([[1, 2], [3]]), ["a", "b"])
    with pytest.raises(InputError, match="three or more"):
        evaluate(FixedScorer(pseudo_random(tiny.n_items)), short, negatives, "test", Protocol())
