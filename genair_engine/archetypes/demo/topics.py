"""What the demo corpus knows: the tables `topics.toml` (kinds of items and whom they appeal to) and `words.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Audience:
    """A group of people (`who`) and what they are after (`need`, a verb phrase that completes "they …")."""

    who: str
    need: str


@dataclass(frozen=True)
class Topic:
    """A kind of item: what it is, its shelf, category names, head words of titles, and the people it appeals to."""

    noun: str
    audiences: tuple[Audience, ...]
    path: str = ""
    leaves: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()


@cache
def words() -> dict[str, tuple[str, ...]]:
    """The word lists by name."""
    lists = _read("words.toml")
    return {name: tuple(value.split(",") if isinstance(value, str) else value) for name, value in lists.items()}


@cache
def topics() -> tuple[Topic, ...]:
    """Kinds of products and places."""
    return tuple(
        Topic(
            noun=row["thing"],
            path=row["path"],
            audiences=_audiences(row["audiences"]),
            leaves=tuple(row["leaves"].split(",")),
            nouns=tuple(row["nouns"].split(",")),
        )
        for row in _read("topics.toml")["topic"]
    )


@cache
def genres() -> dict[str, Topic]:
    """Film genres by name; `thing` is the genre as an adjective."""
    return {
        row["name"]: Topic(noun=row["adjective"], audiences=_audiences(row["audiences"]))
        for row in _read("topics.toml")["genre"]
    }


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text("utf-8"))


def _audiences(text: str) -> tuple[Audience, ...]:
    pairs = (line.split(": ", 1) for line in text.strip().splitlines())
    return tuple(Audience(who, need) for who, need in pairs)
