"""The verbs `rate` and `ratings`: people's votes on archetypes, and the win rates between models that follow from them.

What a ballot says is in `archetypes.ratings`. Blind votes (names hidden) and others are never counted together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from genair_engine.archetypes.ratings import CONFIDENCE, Ballot, WinRate, counting, thumbs, win_rates
from genair_engine.errors import InputError
from genair_engine.store.archetypes import find_set, list_sets, texts_of_item
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.tables import ArchetypeSetRow, VoteRow
from genair_engine.store.votes import list_votes, unrated_item
from genair_engine.verbs.base import Progress, Record, Request, Result, positional, silent
from genair_engine.workspace import Workspace

SHOWN_VOTES = 200
LONGEST_REASON = 2000


class RateRequest(Request):
    """Vote on the archetypes that were written for an item; without winner and thumbs it is a tie."""

    dataset: str = positional("data set")
    item: str = positional("source id of the item")
    sets: list[str] = Field(min_length=1, max_length=8, description="archetype sets that were shown beside each other")
    winner: str | None = Field(None, description="the set whose archetype is the best of them")
    up: list[str] = Field(default_factory=list, description="sets whose archetypes get a thumb up")
    down: list[str] = Field(default_factory=list, description="sets whose archetypes get a thumb down")
    blind: bool = Field(False, description="the models' names were hidden")
    reason: str = Field("", max_length=LONGEST_REASON, description="why, in words")
    who: str | None = Field(
        None, max_length=100, description="who votes; of one person the newest vote on the same texts counts"
    )


class RateResult(Result):
    """votes: on this item, this one included."""

    dataset: str
    item: str
    vote: int
    votes: int

    def lines(self) -> list[str]:
        return [f"Vote {self.vote} on item {self.item} of {self.dataset} is kept; the item has {self.votes:,}."]


class RatingsRequest(Request):
    """Show how often each model's archetypes were preferred."""

    dataset: str = positional("data set")
    item: str | None = Field(None, description="only votes on this item (source id)")
    by: Literal["set", "model"] = Field("set", description="tell sets of one model apart, or count all of them together")


class Rate(WinRate):
    """How often a model was preferred to another, in blind votes or in others. against None: to all others, a vote a trial."""

    blind: bool


class Thumbs(Record):
    """Thumbs of one model, with Wilson's 95 % interval of the share that is up."""

    model: str
    blind: bool
    up: int
    down: int
    rate: float | None
    low: float | None
    high: float | None


class Vote(Record):
    """A vote as it was cast; sets are named by their ids."""

    vote: int
    item: str
    sets: list[str]
    winner: str | None
    up: list[str]
    down: list[str]
    blind: bool
    reason: str
    who: str | None
    created_at: datetime


class RatingsResult(Result):
    """rates: each model against all others (a vote counts once), then every pair in both directions; by set, those of
    one model that differ in prompt, sampling or seed are told apart by the set's id. votes: how many were cast; counted:
    without those that the same person has replaced. recent: the newest 200.
    """

    dataset: str
    confidence: float
    votes: int
    counted: int
    rates: list[Rate]
    thumbs: list[Thumbs]
    recent: list[Vote]

    def lines(self) -> list[str]:
        head = f"{self.votes:,} votes on archetypes of {self.dataset}"
        lines = [head + (f", {self.counted:,} of them count." if self.counted != self.votes else ".")]
        for blind in (True, False):
            rates = [one for one in self.rates if one.blind == blind]
            if rates:
                lines.append("blind:" if blind else "names shown:")
                lines += [
                    f"  {one.model} against {one.against or 'all others'}: {_share(one)} "
                    f"({one.wins} won, {one.losses} lost, {one.ties} tied)"
                    for one in rates
                ]
            lines += [
                f"  {one.model}: thumbs up {_share(one)} ({one.up} up, {one.down} down)"
                for one in self.thumbs
                if one.blind == blind
            ]
        return lines


def _share(one: Rate | Thumbs) -> str:
    return "undecided" if one.rate is None else f"{one.rate:.0%} (95 % interval {one.low:.0%} … {one.high:.0%})"


def rate(
    workspace: Workspace,
    request: RateRequest,
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> RateResult:
    """Keep a vote. Raises NotFoundError, and InputError where the ballot contradicts itself or a set has no text of the
    item."""
    _check(request)
    with workspace.session() as session:
        owner = find_dataset(session, request.dataset)
        item = find_item(session, owner, request.item)
        there = {one.id for one, _ in texts_of_item(session, owner.id, item.position)}
        missing = [one for one in request.sets if one not in there]
        if missing:
            raise InputError(f"Archetype set {missing[0]!r} has no text of item {request.item!r}: there are {sorted(there)}.")
        row = VoteRow(
            dataset_id=owner.id,
            position=item.position,
            sets=request.sets,
            winner=request.winner,
            up=request.up,
            down=request.down,
            blind=request.blind,
            reason=request.reason.replace("\0", "").strip(),
            who=(request.who or "").replace("\0", "").strip() or None,
        )
        session.add(row)
        session.flush()
        votes = len(list_votes(session, owner.id, item.position))
    return RateResult(dataset=owner.name, item=item.item_id, vote=row.id, votes=votes)


def ratings(
    workspace: Workspace,
    request: RatingsRequest,
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> RatingsResult:
    """Count the votes. Raises NotFoundError."""
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        position = find_item(session, owner, request.item).position if request.item is not None else None
        votes = list_votes(session, owner.id, position)
        names = _names([one for one, _ in list_sets(session, owner.id)], request.by)
    ballots = {blind: [_ballot(vote) for vote, _ in votes if vote.blind == blind] for blind in (True, False)}
    return RatingsResult(
        dataset=owner.name,
        confidence=CONFIDENCE,
        votes=len(votes),
        counted=sum(len(counting(some)) for some in ballots.values()),
        rates=[Rate(**one.model_dump(), blind=blind) for blind, some in ballots.items() for one in win_rates(some, names)],
        thumbs=[_thumbs(one, blind) for blind, some in ballots.items() for one in thumbs(some, names)],
        recent=[_vote(vote, item) for vote, item in reversed(votes[-SHOWN_VOTES:])],
    )


def item_to_rate(workspace: Workspace, dataset: str, models: Sequence[str]) -> str | None:
    """An item, drawn at random, that all these models have written about (in their fullest sets) and nobody has voted on.

    None where there is none left. Raises NotFoundError.
    """
    with workspace.reading() as session:
        owner = find_dataset(session, dataset)
        return unrated_item(session, owner.id, [find_set(session, owner.id, model).id for model in models])


def _check(request: RateRequest) -> None:
    named = [one for one in (request.winner, *request.up, *request.down) if one is not None]
    strange = [one for one in named if one not in request.sets]
    both = sorted(set(request.up) & set(request.down))
    if strange:
        raise InputError(f"The vote is for {strange[0]!r}, which is not among the sets that were shown.")
    if both:
        raise InputError(f"The vote gives {both[0]!r} a thumb up and a thumb down.")
    if len(set(request.sets)) != len(request.sets):
        raise InputError("The same set is named twice among those that were shown.")
    if len(request.sets) == 1 and not (request.up or request.down):
        raise InputError("One set alone can only get a thumb up or down.")


def _names(sets: Iterable[ArchetypeSetRow], by: Literal["set", "model"]) -> dict[str, str]:
    """Set id to the model's name; by set, with the id where a model has several."""
    sets = list(sets)
    models = Counter(one.model for one in sets if by == "set")
    return {one.id: one.model if models[one.model] <= 1 else f"{one.model} ({one.id})" for one in sets}


def _ballot(row: VoteRow) -> Ballot:
    return Ballot(row.position, row.sets, row.winner, row.up, row.down, row.who)


def _thumbs(one: WinRate, blind: bool) -> Thumbs:
    return Thumbs(model=one.model, blind=blind, up=one.wins, down=one.losses, rate=one.rate, low=one.low, high=one.high)


def _vote(row: VoteRow, item: str) -> Vote:
    kept = Vote.model_fields.keys() - {"vote", "item"}
    return Vote(vote=row.id, item=item, **{name: getattr(row, name) for name in kept})
