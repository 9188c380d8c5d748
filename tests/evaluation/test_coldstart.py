"""Hiding items: nothing of them is left to train on, and every case is asked as it happened."""

import numpy as np
import pytest

from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.errors import InputError
from genair_engine.evaluation.coldstart import by_chance, hide
from genair_engine.evaluation.protocol import held_out


@pytest.fixture(scope="module")
def dataset():
    return synthetic_dataset(users=150, items=40, interactions=900, seed=5)


@pytest.fixture(scope="module")
def split(dataset):
    return hide(dataset, 0.2, seed=7)


def test_the_new_numbers_are_the_old_items(dataset, split):
    assert sorted(split.order) == list(range(1, 41))
    assert (split.known.n_items, len(split.hidden), split.everything.n_items) == (32, 8, 40)
    ids = dataset.items["item_id"].to_numpy()
    assert split.everything.items["item_id"].tolist() == ids[split.order - 1].tolist()
    assert split.known.items["item_id"].tolist() == ids[split.order[:32] - 1].tolist()
    assert np.all(np.diff(split.order[:32]) > 0)


def test_what_is_left_is_all_but_the_hidden_items(dataset, split):
    hidden = set(split.order[32:])
    for user in range(dataset.n_users):
        left = [item for item in dataset.sequences[user].tolist() if item not in hidden]
        expected = left if len(left) >= 3 else []
        assert split.order[split.known.sequences[user] - 1].tolist() == expected
    assert split.known.sequences.items.max() <= 32
    np.testing.assert_array_equal(split.everything.popularity[33:], 0)


def test_training_never_reaches_past_the_original_held_out_items(dataset, split):
    for user in range(dataset.n_users):
        trained = split.order[split.known.split.train[user] - 1].tolist()
        assert trained == [item for item in dataset.split.train[user].tolist() if item in set(trained)][: len(trained)]


@pytest.mark.parametrize("part", ["valid", "test"])
def test_cases_are_the_held_out_interactions_with_hidden_items(dataset, split, part):
    hidden = set(split.order[32:])
    before = 2 if part == "valid" else 1
    expected = []
    for user, target in zip(dataset.split.users.tolist(), held_out(dataset, part).tolist(), strict=True):
        history = [item for item in dataset.sequences[user].tolist()[:-before] if item not in hidden]
        if target in hidden and history:
            expected.append((user, target, history))
    cases = split.cases[part]
    cases_asked = [
        (int(user), int(split.order[target - 1]), split.order[cases.sessions.histories[row] - 1].tolist())
        for row, (user, target) in enumerate(zip(cases.sessions.users, cases.targets, strict=True))
    ]
    assert cases_asked == expected
    assert len(expected) > 10


def test_the_seed_decides_what_is_hidden(dataset, split):
    assert set(hide(dataset, 0.2, seed=7).order[32:]) == set(split.order[32:])
    assert set(hide(dataset, 0.2, seed=8).order[32:]) != set(split.order[32:])


def test_what_cannot_be_hidden_is_said(dataset, tiny):
    for share in (0, 1, -0.5, float("nan")):
        with pytest.raises(InputError, match="share of hidden items"):
            hide(dataset, share, 0)
    with pytest.raises(InputError, match="no user has three interactions left"):
        hide(tiny, 0.95, 0)


def test_chance_is_the_mean_over_all_orders():
    histories = Sequences.from_lists([[1, 2, 2], [3]])
    expected = by_chance(histories.take(np.array([0, 1, 0])), n_items=6, cutoffs=(2, 10))
    ranks = [np.arange(4), np.arange(5), np.arange(4)]  # 4, 5 and 4 items compete
    assert expected["HR@2"] == pytest.approx(np.mean([(of_user < 2).mean() for of_user in ranks]))
    assert expected["NDCG@2"] == pytest.approx(np.mean([((of_user < 2) / np.log2(of_user + 2)).mean() for of_user in ranks]))
    assert expected["HR@10"] == 1
    assert expected["NDCG@10"] == pytest.approx(np.mean([(1 / np.log2(of_user + 2)).mean() for of_user in ranks]))
