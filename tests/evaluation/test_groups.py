"""Groups of users against counting by hand, and their metrics against metrics of the subsets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.evaluation.groups import Groups, group_metrics, history_groups, popularity_groups
from genair_engine.evaluation.metrics import metrics


def dataset_of(lengths, n_items=30, seed=0):
    """Users with these numbers of interactions (two of them held out), items drawn with a skew."""
    random = np.random.default_rng(seed)
    rows = [np.minimum(random.geometric(0.15, size=length), n_items).tolist() for length in lengths]
    return Dataset(
        "groups", pd.DataFrame(index=range(n_items)), Sequences.from_lists(rows), [str(u) for u in range(len(rows))]
    )


def test_target_popularity_by_hand(tiny):
    # training counts: 1 b04 b06 b08 b10 …; the twelve items in order of (count, index), cut into fifths
    counts = [sum(row.count(item) for row in train_rows(tiny)) for item in range(1, 13)]
    order = sorted(range(1, 13), key=lambda item: (counts[item - 1], item))
    fifth = {item: place * 5 // 12 for place, item in enumerate(order)}
    for part, cut in (("valid", -2), ("test", -1)):
        groups = popularity_groups(tiny, part)
        assert groups.labels == ["Q1", "Q2", "Q3", "Q4", "Q5"]
        targets = [tiny.sequences[user].tolist()[cut] for user in tiny.split.users.tolist()]
        assert groups.member.tolist() == [fifth[target] for target in targets]


def train_rows(dataset):
    rows = [dataset.sequences[user].tolist() for user in range(dataset.n_users)]
    return [row[:-2] if len(row) >= 3 else row for row in rows]


def test_history_lengths_by_hand():
    # 10 evaluated users with 1, 2 or 9 training interactions; the last two users are too short to be evaluated
    dataset = dataset_of([3, 3, 3, 3, 3, 3, 4, 4, 11, 11, 1, 2])
    groups = history_groups(dataset)
    assert groups.labels == ["1", "2", "9"]
    assert groups.member.tolist() == [0] * 6 + [1, 1, 2, 2]


def test_lengths_that_share_a_fifth_share_a_label():
    groups = history_groups(dataset_of(list(range(3, 53))))  # fifty users, training lengths 1…50
    assert groups.labels == ["1–10", "11–20", "21–30", "31–40", "41–50"]
    assert np.bincount(groups.member).tolist() == [10] * 5


def test_equal_lengths_make_one_group():
    groups = history_groups(dataset_of([5] * 7))
    assert groups.labels == ["3"] and groups.member.tolist() == [0] * 7


@given(st.lists(st.integers(1, 40), min_size=1, max_size=80))
def test_history_groups_are_ordered_ranges_of_length(lengths):
    dataset = dataset_of([3, *lengths])
    groups = history_groups(dataset)
    trained = dataset.split.train.lengths[dataset.split.users]
    assert len(groups.member) == len(trained) and 1 <= len(groups.labels) <= 5
    previous = 0
    for number, label in enumerate(groups.labels):
        of_group = trained[groups.member == number]
        ends = [int(end) for end in label.split("–")]
        assert (of_group.min(), of_group.max()) == (ends[0], ends[-1])
        assert of_group.min() > previous
        previous = of_group.max()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=50))
def test_group_metrics_are_those_of_the_subsets(pairs):
    ranks = np.array([rank / 2 for rank, _ in pairs])
    member = np.array([group for _, group in pairs])
    by_group = group_metrics(ranks, Groups(["a", "b", "c", "d"], member), (5, 10))
    assert list(by_group) == ["a", "b", "c", "d"]
    for number, label in enumerate("abcd"):
        of_group = [rank / 2 for rank, group in pairs if group == number]
        assert by_group[label] == {"users": len(of_group), **metrics(np.array(of_group), (5, 10))}
    mean = sum(values["users"] * values.get("NDCG@10", 0) for values in by_group.values()) / len(pairs)
    assert mean == pytest.approx(metrics(ranks)["NDCG@10"])


def test_a_group_without_users_has_no_metrics():
    assert group_metrics(np.array([0.0]), Groups(["Q1", "Q2"], np.array([1])))["Q1"] == {"users": 0}
