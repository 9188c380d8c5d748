"""Win rates from planted ballots, and Wilson's interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from genair_engine.archetypes.ratings import Ballot, counting, thumbs, wilson, win_rates

NAMES = {"l": "llama", "q": "qwen", "q2": "qwen", "m": "mistral"}


def ballot(sets="lq", winner=None, up="", down="", who=None, item=1):
    return Ballot(item, list(sets), winner, list(up), list(down), who)


def rates(*ballots, names=NAMES):
    return {(record.model, record.against): (record.wins, record.losses, record.ties) for record in win_rates(ballots, names)}


def test_wins_losses_and_ties():
    records = rates(ballot(winner="l"), ballot(winner="l"), ballot(winner="q"), ballot())
    assert records == {
        ("llama", None): (2, 1, 1),
        ("qwen", None): (1, 2, 1),
        ("llama", "qwen"): (2, 1, 1),
        ("qwen", "llama"): (1, 2, 1),
    }


def test_a_winner_wins_against_all_that_were_shown():
    records = rates(ballot("lqm", winner="m"))
    assert records[("mistral", None)] == (1, 0, 0)  # one trial: comparisons on a ballot are not independent
    assert records[("llama", None)] == records[("qwen", None)] == (0, 1, 0)
    assert records[("mistral", "llama")] == records[("mistral", "qwen")] == (1, 0, 0)
    assert ("llama", "qwen") not in records  # nothing is said about them


def test_thumbs_decide_only_against_thumbs_of_the_other_kind():
    assert rates(ballot(up="l", down="q"))[("llama", "qwen")] == (1, 0, 0)
    assert rates(ballot(up="l")) == rates(ballot(up="lq")) == {}
    assert [
        (record.model, record.wins, record.losses) for record in thumbs([ballot(up="l", down="q"), ballot(up="lq")], NAMES)
    ] == [
        ("llama", 2, 0),
        ("qwen", 1, 1),
    ]


def test_a_ballot_is_one_trial_however_many_it_shows():
    many = [ballot("lqm", winner="l"), ballot("lqm"), ballot("lqm", up="l", down="qm"), ballot("lqm", up="q", down="l")]
    records = {(record.model, record.against): record for record in win_rates(many, NAMES)}
    assert [
        (records[name, None].wins, records[name, None].losses, records[name, None].ties) for name in ("llama", "qwen")
    ] == [
        (2, 1, 1),
        (1, 2, 1),
    ]
    assert (records["llama", None].low, records["llama", None].high) == wilson(2, 3)
    assert (records["mistral", None].wins, records["mistral", None].losses, records["mistral", None].ties) == (0, 2, 1)
    twice = rates(Ballot(1, ["q", "q2", "l"], "q", [], [], None), Ballot(1, ["q", "q2", "l"], None, ["q", "l"], ["q2"], None))
    assert twice["qwen", None] == (1, 1, 0) and twice["llama", None] == (1, 1, 0)
    both = rates(Ballot(1, ["q", "q2", "l", "m"], None, ["q", "l"], ["q2", "m"], None))
    assert both["qwen", None] == (0, 0, 0)


def test_a_person_counts_once():
    again = [ballot(winner="l", who="ada"), ballot("ql", winner="q", who="ada")]
    assert counting(again) == again[1:]
    assert rates(*again)[("qwen", "llama")] == (1, 0, 0)
    assert rates(*again, ballot(winner="l", who="ada", item=2), ballot(winner="l"))[("qwen", "llama")] == (1, 2, 0)
    assert len(counting([ballot(winner="l")] * 3)) == 3  # people without a name are different people


def test_sets_of_one_name_and_unknown_sets_are_not_compared():
    assert rates(Ballot(1, ["q", "q2", "gone"], "q", [], [], None)) == {}


def test_wilson_is_scipys():
    for successes, trials in [(0, 1), (3, 7), (40, 40), (1, 1000)]:
        expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 50), st.integers(1, 50))
def test_wilson_holds_the_share(successes, more):
    low, high = wilson(successes, successes + more)
    assert 0 <= low <= successes / (successes + more) <= high <= 1
