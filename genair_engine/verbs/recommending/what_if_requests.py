"""What `what-if` is asked and answers: which recommendations another archetype of an item changes."""

from __future__ import annotations

from pydantic import Field

from genair_engine.verbs.base import Record, Request, Result, Verb, positional


class WhatIfRequest(Request):
    """See which recommendations change if an item had another archetype."""

    run: str = positional("run whose model recommends")
    item: str = positional("source id of the item")
    archetypes: str | None = Field(None, description="archetype set (or model) whose archetype of the item to put in")
    text: str | None = Field(None, min_length=1, max_length=100_000, description="text to put in")
    sessions: int = Field(1000, ge=1, le=100_000, description="test users, drawn at random, whose sessions to look at")
    k: int = Field(10, ge=1, le=100, description="length of the lists", json_schema_extra={"short": "-k"})
    examples: int = Field(20, ge=0, le=200, description="changed sessions to list, those where the item moves most first")


class ChangedSession(Record):
    """A session (its last 10 items) and its top lists, as source ids. rank_before, rank_after: the item's place among all.

    A rank is None where the item is in the session itself.
    """

    user: str
    session: list[str]
    before: list[str]
    after: list[str]
    rank_before: int | None
    rank_after: int | None


class WhatIfResult(Result):
    """sessions: looked at; changed: whose list differs; entered, left: whose list the item enters or leaves.

    mean_rank_before, mean_rank_after: of the item, over sessions without it (None: there is none). cosine: of the item's
    vector before and after.
    """

    run: str
    dataset: str
    item: str
    sessions: int
    k: int
    changed: int
    entered: int
    left: int
    mean_rank_before: float | None
    mean_rank_after: float | None
    cosine: float
    examples: list[ChangedSession]

    def lines(self) -> list[str]:
        ranks = ""
        if self.mean_rank_before is not None and self.mean_rank_after is not None:
            ranks = f" Its mean rank goes from {self.mean_rank_before:,.1f} to {self.mean_rank_after:,.1f}."
        return [
            f"Item {self.item}: {self.changed:,} of {self.sessions:,} sessions get another top {self.k}; it enters "
            f"{self.entered:,} and leaves {self.left:,} of them.{ranks} Cosine of its vectors: {self.cosine:.3f}.",
            *(
                f"  {example.user}: rank {example.rank_before or '–'} → {example.rank_after or '–'} after "
                f"{', '.join(example.session)}"
                for example in self.examples
            ),
        ]


WHAT_IF = Verb("what-if", WhatIfRequest, WhatIfResult, run="genair_engine.verbs.recommending.what_if:what_if")
