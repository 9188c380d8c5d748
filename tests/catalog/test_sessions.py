"""Sessions: users and extra inputs stay with the items that they belong to."""

import numpy as np
import pytest

from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError

TAKEN = Sequences.from_lists([[1, 2, 3], [4], [5, 6]])


def test_what_belongs_to_a_session_goes_with_it():
    sessions = Sessions(TAKEN, np.array([7, 8, 9]), {"gaps": np.array([[0, 1], [2, 3], [4, 5]])})
    chosen = sessions.take(np.array([2, 0]))
    assert len(sessions) == 3 and [chosen.histories[row].tolist() for row in range(2)] == [[5, 6], [1, 2, 3]]
    assert chosen.users.tolist() == [9, 7] and chosen.extras["gaps"].tolist() == [[4, 5], [0, 1]]


def test_anonymous_sessions_stay_anonymous():
    chosen = Sessions.from_lists([[1], [2, 3]]).take(np.array([1]))
    assert chosen.users is None and not chosen.extras and chosen.histories[0].tolist() == [2, 3]


def test_sessions_of_users():
    sessions = Sessions.of_users(TAKEN, np.array([2, 0]))
    assert sessions.users.tolist() == [2, 0] and sessions.histories[0].tolist() == [5, 6]


def test_padding_keeps_the_last_items():
    assert Sessions(TAKEN).padded().tolist() == [[1, 2, 3], [4, 0, 0], [5, 6, 0]]
    assert Sessions(TAKEN).padded(2).tolist() == [[2, 3], [4, 0], [5, 6]]


@pytest.mark.parametrize("given", [{"users": np.array([1])}, {"extras": {"gaps": np.zeros((4, 2))}}])
def test_one_of_each_for_every_session(given):
    with pytest.raises(InputError, match=r"(1 users|4 gaps) are given for 3 sessions"):
        Sessions(TAKEN, **given)
