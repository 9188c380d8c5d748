"""Win rates between archetypes from people's votes, with Wilson's interval.

A ballot shows the archetypes of one item by two or more models. Its winner wins against all others shown; a thumb up wins
against a thumb down on the same ballot; a ballot without winner and thumbs is a tie of all. Ties are counted, but are no
part of the rate. A person who gave a name counts once for the same item and the same archetypes: with the newest ballot.
Wilson's interval takes trials for independent. Comparisons on one ballot are not, so that a name's rate against all others
counts ballots: one that it wins, or loses, or that is a tie for it, however many models were shown.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from pydantic import BaseModel, ConfigDict

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ballot:
    """A vote as it was cast (`store.tables.VoteRow`); item: what identifies the item."""

    item: int
    sets: Sequence[str]
    winner: str | None
    up: Sequence[str]
    down: Sequence[str]
    who: str | None


class WinRate(BaseModel):
    """How often `model` won against `against`, or ballots that it won whoever else was shown (None).

    rate = wins / (wins + losses), None where nobody won.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    against: str | None
    wins: int
    losses: int
    ties: int
    rate: float | None
    low: float | None
    high: float | None


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927): (0, 1) where there is no trial."""
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = share + z * z / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low, high = (centre - reach) / scale, (centre + reach) / scale
    return 0.0 if successes == 0 else low, 1.0 if successes == trials else high  # exact there, but for rounding


def counting(ballots: Iterable[Ballot]) -> list[Ballot]:
    """The ballots that count, oldest first in, in the same order out."""
    newest: dict[object, Ballot] = {}
    for number, ballot in enumerate(ballots):
        key = (ballot.item, ballot.who, frozenset(ballot.sets)) if ballot.who else number
        newest.pop(key, None)
        newest[key] = ballot
    return list(newest.values())


def win_rates(ballots: Iterable[Ballot], names: Mapping[str, str]) -> list[WinRate]:
    """Every name against all others (against None), then every pair that was compared in both directions, by name.

    names: what a set counts as, usually its model's name; sets without one are left out, sets of one name are not compared.
    """
    wins: Counter[tuple[str, str]] = Counter()
    ties: Counter[tuple[str, str]] = Counter()
    ballots_won: Counter[str] = Counter()
    ballots_lost: Counter[str] = Counter()
    ballots_tied: Counter[str] = Counter()
    for ballot in counting(ballots):
        shown = [text_set for text_set in ballot.sets if text_set in names]
        tied = ballot.winner is None and not ballot.up and not ballot.down
        winners, losers, others = set(), set(), set()
        for a, b in itertools.permutations(shown, 2):
            if names[a] == names[b]:
                continue
            pair = (names[a], names[b])
            won = ballot.winner == a or (ballot.winner is None and a in ballot.up and b in ballot.down)
            wins[pair] += won
            ties[pair] += tied
            if won:
                winners.add(names[a])
                losers.add(names[b])
            others.add(names[a])
        ballots_won.update(winners - losers)  # a name with two sets on a ballot may be both, which says nothing
        ballots_lost.update(losers - winners)
        ballots_tied.update(others if tied else ())
    pairs = sorted(pair for pair in wins if wins[pair] + wins[pair[::-1]] + ties[pair])
    singles = sorted({a for a, _ in pairs})
    overall = [_rate(name, None, ballots_won[name], ballots_lost[name], ballots_tied[name]) for name in singles]
    return overall + [_rate(a, b, wins[a, b], wins[b, a], ties[a, b]) for a, b in pairs]


def thumbs(ballots: Iterable[Ballot], names: Mapping[str, str]) -> list[WinRate]:
    """The share of thumbs up of each name: wins are thumbs up, losses thumbs down."""
    up: Counter[str] = Counter()
    down: Counter[str] = Counter()
    for ballot in counting(ballots):
        up.update(names[text_set] for text_set in ballot.up if text_set in names)
        down.update(names[text_set] for text_set in ballot.down if text_set in names)
    return [_rate(name, None, up[name], down[name], 0) for name in sorted(up | down)]


def _rate(model: str, against: str | None, wins: int, losses: int, ties: int) -> WinRate:
    trials = wins + losses
    low, high = wilson(wins, trials) if trials else (None, None)
    rate = wins / trials if trials else None
    return WinRate(model=model, against=against, wins=wins, losses=losses, ties=ties, rate=rate, low=low, high=high)
