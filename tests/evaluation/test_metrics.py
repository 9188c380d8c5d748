"""Metrics against their definitions, by hand and by property."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genair_engine.evaluation.metrics import CUTOFFS, metrics

ranks_strategy = st.lists(st.integers(0, 400).map(lambda half: half / 2), min_size=1, max_size=60)


def test_by_hand():
    values = metrics(np.array([0.0, 4.0, 10.0, 99.0]))
    assert values["HR@1"] == 0.25
    assert values["HR@5"] == 0.5
    assert values["HR@10"] == 0.5  # rank 10 is the eleventh place
    assert values["HR@20"] == 0.75
    assert values["NDCG@5"] == pytest.approx((1 + 1 / math.log2(6)) / 4)
    assert values["MRR@20"] == pytest.approx((1 + 1 / 5 + 1 / 11) / 4)


def test_nothing_to_average():
    assert metrics(np.array([])) == {}


@given(ranks_strategy)
def test_bounds_and_order(ranks):
    values = metrics(np.array(ranks))
    for k in CUTOFFS:
        assert 0 <= values[f"MRR@{k}"] <= values[f"NDCG@{k}"] <= values[f"HR@{k}"] <= 1
    for name in ("HR", "NDCG", "MRR"):
        curve = [values[f"{name}@{k}"] for k in CUTOFFS]
        assert curve == sorted(curve)


@given(ranks_strategy, st.integers(0, 59))
def test_a_better_rank_never_hurts(ranks, which):
    improved = list(ranks)
    improved[which % len(ranks)] = 0.0
    before, after = metrics(np.array(ranks)), metrics(np.array(improved))
    assert all(after[name] >= before[name] - 1e-12 for name in before)
