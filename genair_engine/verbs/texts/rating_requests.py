"""What `rate`, `ratings` and `pin` are asked and answer: what people say of texts, by a vote or by choosing one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from genair_engine.archetypes.ratings import WinRate
from genair_engine.verbs.base import Record, Request, Result, Verb, positional

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
        None,
        max_length=100,
        description="who votes, by default GENAIR_ACTOR; of one person the newest vote on the same texts counts",
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
            rates = [rate for rate in self.rates if rate.blind == blind]
            if rates:
                lines.append("blind:" if blind else "names shown:")
                lines += [
                    f"  {rate.model} against {rate.against or 'all others'}: {_share(rate)} "
                    f"({rate.wins} won, {rate.losses} lost, {rate.ties} tied)"
                    for rate in rates
                ]
            lines += [
                f"  {thumb.model}: thumbs up {_share(thumb)} ({thumb.up} up, {thumb.down} down)"
                for thumb in self.thumbs
                if thumb.blind == blind
            ]
        return lines


def _share(rate: Rate | Thumbs) -> str:
    return "undecided" if rate.rate is None else f"{rate.rate:.0%} (95 % interval {rate.low:.0%} … {rate.high:.0%})"


class PinRequest(Request):
    """Pin the archetype of an item that representations shall use, take the pin off, or list the pins."""

    dataset: str = positional("data set")
    item: str | None = positional("source id of the item; without one the pins are listed", default=None)
    archetypes: str | None = Field(None, description="archetype set (or model) whose text of the item to pin")
    off: bool = Field(False, description="take the item's pin off")
    who: str | None = Field(None, max_length=100, description="who pins it, by default GENAIR_ACTOR")


class Pin(Record):
    """An item's pinned archetype: the set's id, model and prompt."""

    item: str
    archetypes: str
    model: str
    prompt_version: str
    who: str | None
    created_at: datetime


class PinResult(Result):
    """All pins of the data set by item, after the change."""

    dataset: str
    pins: list[Pin]

    def lines(self) -> list[str]:
        return [f"{len(self.pins):,} pinned in {self.dataset}."] + [
            f"  {pin.item}: {pin.archetypes} by {pin.model}, prompt {pin.prompt_version}" for pin in self.pins
        ]


RATE = Verb("rate", RateRequest, RateResult, run="genair_engine.verbs.texts.ratings:rate", role="write", audited=True)
RATINGS = Verb("ratings", RatingsRequest, RatingsResult, run="genair_engine.verbs.texts.ratings:ratings")
PIN = Verb("pin", PinRequest, PinResult, run="genair_engine.verbs.texts.pins:pin", role="write", audited=True)
