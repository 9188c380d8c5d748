"""The verbs `rate` and `ratings`: people's votes on archetypes, and the win rates between models that follow from them.

What a ballot says is in `archetypes.ratings`. Blind votes (names hidden) and others are never counted together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from genair_engine.archetypes.ratings import CONFIDENCE, Ballot, WinRate, counting, thumbs, win_rates
from genair_engine.errors import InputError
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.tables import TextSetRow, VoteRow
from genair_engine.store.texts import find_set, list_sets, texts_of_item
from genair_engine.store.votes import list_votes, unrated_item
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.rating_requests import (
    Rate,
    RateRequest,
    RateResult,
    RatingsRequest,
    RatingsResult,
    Thumbs,
    Vote,
)
from genair_engine.workspace import Workspace

SHOWN_VOTES = 200


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
        there = {text_set.id for text_set, _ in texts_of_item(session, owner.id, item.position)}
        missing = [name for name in request.sets if name not in there]
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
            who=(request.who or workspace.actor or "").replace("\0", "").strip() or None,
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
        names = _names([text_set for text_set, _ in list_sets(session, owner.id)], request.by)
    ballots = {blind: [_ballot(vote) for vote, _ in votes if vote.blind == blind] for blind in (True, False)}
    return RatingsResult(
        dataset=owner.name,
        confidence=CONFIDENCE,
        votes=len(votes),
        counted=sum(len(counting(some)) for some in ballots.values()),
        rates=[
            Rate(**outcome.model_dump(), blind=blind) for blind, some in ballots.items() for outcome in win_rates(some, names)
        ],
        thumbs=[_thumbs(outcome, blind) for blind, some in ballots.items() for outcome in thumbs(some, names)],
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
    named = [name for name in (request.winner, *request.up, *request.down) if name is not None]
    strange = [name for name in named if name not in request.sets]
    both = sorted(set(request.up) & set(request.down))
    if strange:
        raise InputError(f"The vote is for {strange[0]!r}, which is not among the sets that were shown.")
    if both:
        raise InputError(f"The vote gives {both[0]!r} a thumb up and a thumb down.")
    if len(set(request.sets)) != len(request.sets):
        raise InputError("The same set is named twice among those that were shown.")
    if len(request.sets) == 1 and not (request.up or request.down):
        raise InputError("One set alone can only get a thumb up or down.")


def _names(sets: Iterable[TextSetRow], by: Literal["set", "model"]) -> dict[str, str]:
    """Set id to the model's name; by set, with the id where a model has several."""
    sets = list(sets)
    models = Counter(text_set.model for text_set in sets if by == "set")
    return {
        text_set.id: text_set.model if models[text_set.model] <= 1 else f"{text_set.model} ({text_set.id})"
        for text_set in sets
    }


def _ballot(row: VoteRow) -> Ballot:
    return Ballot(row.position, row.sets, row.winner, row.up, row.down, row.who)


def _thumbs(outcome: WinRate, blind: bool) -> Thumbs:
    return Thumbs(
        model=outcome.model,
        blind=blind,
        up=outcome.wins,
        down=outcome.losses,
        rate=outcome.rate,
        low=outcome.low,
        high=outcome.high,
    )


def _vote(row: VoteRow, item: str) -> Vote:
    kept = Vote.model_fields.keys() - {"vote", "item"}
    return Vote(vote=row.id, item=item, **{name: getattr(row, name) for name in kept})
