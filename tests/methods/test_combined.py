"""Mixtures and rerankings of two recommenders against loops over items."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.sessions import Sessions
from genair_engine.evaluation.protocol import top_items
from genair_engine.methods.base import BuildContext
from genair_engine.methods.registry import METHODS

N = 8


class Fixed:
    """The same scores after every session. values: of the items 1…n."""

    def __init__(self, values, reads=None):
        self.values, self.reads = torch.tensor([99.0, *values]), reads  # the padding's score must never count

    def score(self, sessions, items=None):
        whole = self.values.repeat(len(sessions), 1)
        return whole if items is None else whole[:, items]


def combined(name, first, second, **options):
    method = METHODS[name]
    roles = [need.role for need in method.needs]
    return method.build(BuildContext(N, method.options(**options), dict(zip(roles, (first, second), strict=True))))


def listed(scores):
    """Items best first, the smaller first among ties."""
    masked = scores.clone()
    masked[:, 0] = -torch.inf
    return [row.tolist() for row in top_items(masked, N)]


VALUES = st.lists(st.sampled_from([-3.0, 0.0, 1.0, 2.5, 7.0]), min_size=N, max_size=N)


@settings(max_examples=60)
@given(VALUES, VALUES, st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(["z", "minmax"]))
def test_a_mixture_is_the_weighted_sum_of_normalised_scores(first, second, weight, normalisation):
    def normalised(values):
        values = np.array(values)
        spread = values.std() if normalisation == "z" else np.ptp(values)
        return (values - (values.mean() if normalisation == "z" else values.min())) / spread if spread else values * 0

    mixture = combined("mixed", Fixed(first), Fixed(second), weight=weight, normalisation=normalisation)
    scores = mixture.score(Sessions.from_lists([[1], [2, 3]]))
    expected = (1 - weight) * normalised(first) + weight * normalised(second)
    assert scores.dtype == torch.float32 and scores.shape == (2, N + 1)
    for row in scores:
        assert row[1:].numpy() == pytest.approx(expected, abs=1e-5)


@settings(max_examples=100)
@given(st.permutations(range(N)), VALUES, st.integers(1, N + 2), st.lists(st.integers(1, N), min_size=1, max_size=3))
def test_the_best_of_the_first_in_the_order_of_the_second(order, second, best, session):
    """The first's scores are all different: who is a candidate is beyond doubt."""
    first = np.array(order) * 1e3
    scores = combined("reranked", Fixed(first.tolist()), Fixed(second), best=best).score(Sessions.from_lists([session]))
    by_first = sorted(range(1, N + 1), key=lambda item: -first[item - 1])
    unseen = [item for item in by_first if item not in session][:best]
    candidates = by_first[: by_first.index(unseen[-1]) + 1] if len(unseen) == best else by_first
    behind = [item for item in by_first if item not in candidates]
    assert listed(scores) == [sorted(candidates, key=lambda item: (-second[item - 1], item)) + behind]
    assert torch.isfinite(scores[:, 1:]).all()


@pytest.mark.parametrize("name", ["mixed", "reranked"])
def test_some_items_and_what_is_read(name):
    random = np.random.default_rng(0)
    first, second = (Fixed(random.normal(size=N).tolist(), reads) for reads in (4, 9))
    both, sessions = combined(name, first, second), Sessions.from_lists([[1], [2, 3]])
    items = torch.tensor([5, 1, 5])
    assert torch.equal(both.score(sessions, items), both.score(sessions)[:, items])
    assert both.reads == 9 and combined(name, first, Fixed([0.0] * N)).reads is None
    assert METHODS[name].tags.dot_product is False and METHODS[name].tags.floor is False
