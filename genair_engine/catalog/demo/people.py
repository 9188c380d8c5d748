"""Users of the demo catalogue and what they take: the planted process behind the interaction log.

A user belongs to a main audience and has a second one as a hobby; for half of the users the main audience changes once
(a season of life: students become remote workers, remote workers parents). Events come in sessions. A session has one
intent: an audience, and a place in that audience's round of kinds (a fixed order of all kinds that it takes, across
departments); the next event is mostly of one of the round's next kinds. Given audience and kind, an item is drawn by its
popularity (Zipf's law) and by how much it is for that audience. So what is taken depends on an item through kind, audiences
and popularity only, and nobody takes an item twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genair_engine.catalog.demo.items import DemoItem
from genair_engine.catalog.demo.vocabulary import audiences, kinds

MIN_EVENTS, MAX_EVENTS = 5, 40
EXTRA_EVENTS = 4.0
"""Mean of the geometric distribution of a user's events beyond the least number (before the cut at the most)."""

BELONGS = (1.0, 0.6, 0.4)
"""How much an item is for its first, second and third audience."""

ZIPF_EXPONENT, ZIPF_SHIFT = 0.9, 10
MAIN, HOBBY = 0.68, 0.25
"""Share of sessions for the main audience and the hobby; the rest are for anybody (a present, curiosity)."""

SEASON_CHANGES, SESSION_GOES_ON, ROUND_GOES_ON, ANYTHING = 0.5, 0.7, 0.82, 0.06
"""Chances: that a user's main audience changes; that a session has one more event; that the next event goes on
in the round (otherwise of any kind that the audience takes); that it is any popular item."""

STEP = 2
"""The next event is at most so many kinds further in the round, all equally likely."""

_START, _DAYS, _GAP_DAYS, _GAP_MINUTES = 1_640_995_200, 1100, 21.0, 9.0  # from the first of January 2022, in seconds
_TRIES = 6

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Events:
    """The log: events of a user stand together, oldest first. user: 0…; item: rows of the catalogue; time: seconds since
    1970."""

    user: IntArray
    item: IntArray
    time: IntArray


def draw_events(items: Sequence[DemoItem], users: int, random: np.random.Generator) -> Events:
    """The log of `users` users over the catalogue; vectorised over users, event by event."""
    names = list(audiences())
    size = random.dirichlet(np.full(len(names), 8.0))
    main = random.choice(len(names), size=users, p=size)
    hobby = (main + random.integers(1, len(names), size=users)) % len(names)
    # every row of the table repeats its one to three successors so that all are equally likely
    successors = np.array([[names.index(name) for name in (audiences()[own].later * 6)[:6]] for own in names])
    later = successors[main, random.integers(6, size=users)]
    length = np.minimum(MIN_EVENTS + random.geometric(1 / (1 + EXTRA_EVENTS), size=users) - 1, MAX_EVENTS)
    change = np.where(random.random(users) < SEASON_CHANGES, random.uniform(0.25, 0.75, users), np.inf)

    shelves = _Shelves(items, names, random)
    taken = np.full((users, MAX_EVENTS), -1)
    time = np.zeros((users, MAX_EVENTS), dtype=np.int64)
    clock = _START + random.integers(0, _DAYS * 86_400, size=users)
    audience, place = np.zeros((2, users), dtype=np.int64)
    for event in range(MAX_EVENTS):
        active = np.flatnonzero(length > event)
        starts = (random.random(len(active)) >= SESSION_GOES_ON) | (event == 0)
        fresh = active[starts]
        now = np.where(event >= change[fresh] * length[fresh], later[fresh], main[fresh])
        audience[fresh] = _one_of((MAIN, HOBBY), (now, hobby[fresh], random.integers(len(names), size=len(fresh))), random)
        place[fresh] = random.integers(1 << 30, size=len(fresh))
        place[active] += random.integers(1, STEP + 1, size=len(active))
        gap = np.where(starts, _GAP_DAYS * 86_400, _GAP_MINUTES * 60)
        clock[active] += (random.exponential(gap) + 30).astype(np.int64)
        time[active, event] = clock[active]
        taken[active, event] = shelves.draw(audience[active], place[active], taken[active], random)
    valid = taken >= 0
    return Events(np.nonzero(valid)[0], taken[valid], time[valid])


class _Shelves:
    """From what items are drawn: all, those of an audience, or those of an audience and a kind."""

    def __init__(self, items: Sequence[DemoItem], names: list[str], random: np.random.Generator) -> None:
        rank = random.permutation(len(items))
        popularity = (rank + ZIPF_SHIFT) ** -ZIPF_EXPONENT
        belongs = np.zeros((len(names), len(items)))
        for row, item in enumerate(items):
            for name, share in zip(item.audiences, BELONGS, strict=False):
                belongs[names.index(name), row] = share
        kind_names = [kind.name for kind in kinds()]
        of_kind = np.arange(len(kind_names))[:, None] == np.array([kind_names.index(item.kind.name) for item in items])
        shelf = (belongs[:, None] * of_kind * popularity).reshape(-1, len(items))  # row: audience x kind
        rows = np.vstack([shelf, belongs * popularity, popularity])
        total = rows.sum(axis=1, keepdims=True)
        self._count, self._audiences = len(items), len(names)
        self._cumulative = (np.cumsum(rows / np.where(total > 0, total, 1), axis=1) + np.arange(len(rows))[:, None]).ravel()
        stocked = total[: len(shelf), 0].reshape(len(names), -1) > 0
        order = random.permuted(np.tile(np.arange(len(kind_names)), (len(names), 1)), axis=1)
        # an audience's round: the kinds that have something for it come first, in its own order
        self._rounds = np.take_along_axis(order, np.argsort(~np.take_along_axis(stocked, order, 1), axis=1, kind="stable"), 1)
        self._round_lengths = stocked.sum(axis=1)

    def draw(self, audience: IntArray, place: IntArray, taken: IntArray, random: np.random.Generator) -> IntArray:
        """[n] one item each, none of `taken` ([n, …]); -1 where every try hit one of them."""
        kind = self._rounds[audience, place % self._round_lengths[audience]]
        any_kind = self._audiences * len(kinds()) + audience
        chosen = np.full(len(audience), -1)
        for attempt in range(_TRIES):
            todo = np.flatnonzero(chosen < 0)
            on = ROUND_GOES_ON if attempt < _TRIES // 2 else 0.0
            row = _one_of(
                (ANYTHING, on * (1 - ANYTHING)),
                (
                    np.full(len(todo), self._audiences * (len(kinds()) + 1)),
                    audience[todo] * len(kinds()) + kind[todo],
                    any_kind[todo],
                ),
                random,
            )
            item = np.searchsorted(self._cumulative, row + random.random(len(todo)), side="right") - row * self._count
            item = np.clip(item, 0, self._count - 1)
            chosen[todo] = np.where((taken[todo] == item[:, None]).any(axis=1), -1, item)
        return chosen


def _one_of(shares: tuple[float, float], values: tuple[IntArray, IntArray, IntArray], random: np.random.Generator) -> IntArray:
    """[n] the first value with the first share's chance, the second with the second's, else the third."""
    draw = random.random(len(values[0]))
    return np.where(draw < shares[0], values[0], np.where(draw < sum(shares), values[1], values[2]))
