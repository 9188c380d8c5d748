"""What the demo catalogue is made of: its audiences (`audiences.toml`), kinds of products (`kinds.toml`), word
lists (`words.toml`) and invented names."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Audience:
    """A planted group of people.

    name: its key. broad, focused: what the two demo language models call it. needs: verb phrases. cues: what a text says
    about an item for them ("for …"). tags: short names in titles. later: whom a member may become.
    """

    name: str
    broad: str
    focused: str
    needs: tuple[str, ...]
    cues: tuple[str, ...]
    tags: tuple[str, ...]
    later: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of product. nouns: head words of titles. price: lowest and highest, in dollars. audiences: whom items of
    this kind may be for, the usual ones first."""

    name: str
    department: str
    nouns: tuple[str, ...]
    shelf: str
    price: tuple[int, int]
    audiences: tuple[str, ...]
    features: tuple[str, ...]


@cache
def audiences() -> dict[str, Audience]:
    """The planted audiences by name."""
    return {
        name: Audience(
            name=name,
            broad=row["broad"],
            focused=row["focused"],
            needs=tuple(row["needs"]),
            cues=tuple(row["cues"].split(",")),
            tags=tuple(row["tags"].split(",")),
            later=tuple(row["later"]),
        )
        for name, row in _read("audiences.toml").items()
    }


@cache
def kinds() -> tuple[Kind, ...]:
    """All kinds of products, department by department."""
    return tuple(
        _kind(department, line)
        for department, table in _read("kinds.toml").items()
        for line in table["kinds"].strip().splitlines()
    )


@cache
def words() -> dict[str, tuple[str, ...]]:
    """The word lists by name."""
    return {name: tuple(value.split(",") if isinstance(value, str) else value) for name, value in _read("words.toml").items()}


def invented_word(rng: random.Random, accents: float = 0.0) -> str:
    """A capitalised word of one to three random syllables; with the chance `accents` one letter has an accent."""
    syllables = rng.choices(words()["syllables"], k=rng.choice((1, 2, 2, 2, 3)))
    word = ("".join(syllables) + rng.choice(words()["codas"])).capitalize()
    word = word if len(word) > 2 else f"{word}tex"
    if rng.random() < accents:
        place = rng.randrange(1, len(word))
        word = word[:place] + rng.choice(words()["accents"]) + word[place + 1 :]
    return word


def _kind(department: str, line: str) -> Kind:
    name, nouns, shelf, price, names, features = (part.strip() for part in line.split("|"))
    low, high = price.split("-")
    return Kind(
        name=name,
        department=department,
        nouns=tuple(nouns.split(",")),
        shelf=shelf,
        price=(int(low), int(high)),
        audiences=tuple(names.split(",")),
        features=tuple(features.split(",")),
    )


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / name).read_text("utf-8"))
