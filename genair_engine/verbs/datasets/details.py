"""Everything known about one item, as pages show it: its archetypes with their provenance, and what could not be written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from genair_engine.verbs.base import Record
from genair_engine.verbs.datasets.search import Item


class ArchetypeText(Record):
    """One archetype with its provenance. text: as written; opening, audiences and closing: the same in its parts.

    prompt: the template's parts. backend: what ran the model; "edited" for a text that a person wrote, whose sampling holds no
    temperature and the like, but the `reader`. device: what wrote it, "" where that was not kept.
    """

    archetypes: str
    model: str
    revision: str
    backend: str
    text: str
    opening: str
    audiences: list[str]
    closing: str
    prompt_version: str
    prompt: dict[str, str]
    prompt_tokens: int
    generated_tokens: int
    finish: str
    seconds: float
    sampling: dict[str, Any]
    seed: int
    device: str
    created_at: datetime


class FailedArchetype(Record):
    """An archetype that the last attempt could not write, and why."""

    item: str
    title: str
    archetypes: str
    model: str
    prompt_version: str
    reason: str
    created_at: datetime


class ItemDetail(Record):
    """Everything known about one item. rank: 1 for the most popular in training; of: items in the catalogue.

    archetypes: oldest set first. failures: of sets that have no text of the item. pinned: the set whose archetype is.
    """

    item: Item
    rank: int
    of: int
    attributes: dict[str, str]
    description: str
    archetypes: list[ArchetypeText]
    failures: list[FailedArchetype]
    pinned: str | None
