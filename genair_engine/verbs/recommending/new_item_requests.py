"""What `new-item` is asked and answers: where an item that is not in the catalogue would land."""

from __future__ import annotations

from pydantic import Field

from genair_engine.verbs.base import Record, Request, Result, Verb, positional


class NewItemRequest(Request):
    """See where an item that is not in the catalogue would land."""

    dataset: str = positional("data set")
    attributes: dict[str, str] = Field(description="its metadata: FIELD=VALUE, once for each field")
    item: str = Field("new item", min_length=1, max_length=500, description="its id, which decides its archetype's seed")
    archetype: str | None = Field(None, description="its archetype, instead of letting the language models write one")
    runs: list[str] = Field([], description="GenAIR runs to put it into; by default all finished ones of the data set")
    items: list[str] = Field([], description="a session to rank it in: item ids, oldest first, separated by commas")
    sessions: int = Field(5, ge=0, le=100, description="how many real sessions to show, in which it ranks highest")
    users: int = Field(1000, ge=1, description="test users whose sessions are looked at, drawn at random where there are more")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class NewArchetype(Record):
    """An archetype of the new item. archetypes: the set in whose way it was written. model: None where it was given."""

    archetypes: str
    model: str | None
    text: str
    opening: str
    audiences: list[str]
    closing: str
    generated_tokens: int
    finish: str
    seconds: float


class SkippedRun(Record):
    """A GenAIR run that the item cannot be put into, and why."""

    run: str
    reason: str


class Neighbour(Record):
    """An item of the catalogue whose vector is near; cosine of the two."""

    item: str
    title: str
    cosine: float


class RealSession(Record):
    """A test user's session: its last items, oldest first, of `length`; what the user took next; the new item's rank."""

    user: str
    rank: int
    length: int
    items: list[str]
    next: str


class Placement(Record):
    """Where the item lands in a run. archetypes: the set in whose way its archetype was written, None where none is read.

    score, rank: after the session, 1 is the best, of `of` items that compete (those of the session do not); None without a
    session. looked_at: test users' sessions; median_rank and top_10, the share of them in which it is among the first ten,
    are over these (None where no session was looked at). sessions: those in which it ranks highest.
    """

    run: str
    method: str
    representation: str
    archetypes: str | None
    score: float | None
    rank: int | None
    of: int
    nearest: list[Neighbour]
    looked_at: int
    median_rank: float | None
    top_10: float | None
    sessions: list[RealSession]


class NewItemResult(Result):
    """archetypes: one for each archetype set behind the runs. notes: what to know about how they were made."""

    dataset: str
    item: str
    attributes: dict[str, str]
    session: list[str]
    archetypes: list[NewArchetype]
    placements: list[Placement]
    skipped: list[SkippedRun]
    notes: list[str]

    def lines(self) -> list[str]:
        shown = [f"{self.item}: {'; '.join(f'{key} {value}'[:80] for key, value in self.attributes.items())[:200]}"]
        for text in self.archetypes:
            shown.append(f"  Archetype ({text.model or 'given'}): {' '.join(text.text.split())[:400]}")
        for placement in self.placements:
            ranked = ""
            if placement.rank is not None:
                ranked = f"rank {placement.rank:,} of {placement.of:,} (score {placement.score:.3f}), "
            near = ", ".join(f"{near.item} ({near.cosine:.2f})" for near in placement.nearest[:3])
            shown.append(f"  {placement.run}: {ranked}near {near}")
            if placement.median_rank is not None and placement.top_10 is not None:
                shown.append(
                    f"    In {placement.looked_at:,} test users' sessions: median rank {placement.median_rank:,.0f}, among "
                    f"the first ten in {placement.top_10:.1%}."
                )
            shown += [
                f"    rank {real.rank:,} for user {real.user}, after {', '.join(real.items[-3:])}"
                for real in placement.sessions
            ]
        shown += [f"  Left out: {skipped.run}: {skipped.reason}" for skipped in self.skipped]
        return [*shown, *(f"  {note}" for note in self.notes)]


NEW_ITEM = Verb("new-item", NewItemRequest, NewItemResult, run="genair_engine.verbs.recommending.new_items:new_item")
