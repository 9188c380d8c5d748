"""Training text of the demo language models: a prompt made from synthetic metadata, and the archetype that answers it.

The prompt is exactly the product's (`prompts.PAPER`). The answer has the shape that the app relies on: an opening that
names the item in words copied from its title, three audience segments on lines "1. ", "2. ", "3. ", and at times a
closing sentence. Who is named follows from the item's kind, genres or head word; what is said about them varies in wording.
"""

from __future__ import annotations

import random
import re
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from genair_engine.archetypes.demo.items import SyntheticItem, draw_item
from genair_engine.archetypes.demo.topics import Audience, Topic
from genair_engine.archetypes.prompts import PAPER

SEGMENTS = 3
_MAX_NAME_WORDS = 6
_HABITUAL_SHARE = 0.75
_NAME_ENDS = re.compile(r", | \(| [-\u2013] | with | for |: | \|")
_INVERTED = re.compile(r"^(.*), (The|A|An)$")
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Example:
    """One training pair: the user message and the assistant's answer, and the item they are about."""

    prompt: str
    answer: str
    item: SyntheticItem


@cache
def style(name: str) -> dict[str, list[str]]:
    """The wording templates of a model ("llama": descriptive; "qwen": concise)."""
    tables: dict[str, dict[str, list[str]]] = tomllib.loads(Path(__file__).with_name("styles.toml").read_text("utf-8"))
    return tables[name]


def examples(style_name: str, count: int, seed: int) -> Iterator[Example]:
    """`count` training pairs in a model's style; the same seed gives the same text."""
    rng = random.Random(f"{style_name}-{seed}")
    movie = replace(PAPER, noun="movie")
    for _ in range(count):
        item = draw_item(rng)
        template = movie if item.kind == "film" and rng.random() < 0.3 else PAPER
        yield Example(template.render(item.attributes), answer(item, style_name, rng), item)


def answer(item: SyntheticItem, style_name: str, rng: random.Random) -> str:
    """The archetype of an item: opening, three numbered segments, at times a closing sentence."""
    wording, prefix = style(style_name), "film_" if item.kind == "film" else ""
    slots = _slots(item, rng)
    lines = [_fill(_pick(wording[f"{prefix}openings"], slots, rng, 1)[0], slots)]
    people = _audiences(item, rng)
    bodies = _pick(wording[f"{prefix}segments"], slots | {"need": ""}, rng, SEGMENTS)
    for number, (audience, body) in enumerate(zip(people, bodies, strict=True), start=1):
        lines.append(f"{number}. {audience.who}: {_fill(body, slots | {'need': audience.need})}")
    if rng.random() < float(wording["closing_share"]):  # type: ignore[arg-type]
        lines.append(_fill(_pick(wording[f"{prefix}closings"], slots, rng, 1)[0], slots))
    return "\n".join(lines)


def short_name(title: str, kind: str) -> str:
    """What a person would call the item: a product's title up to its first comma, bracket, " with " or " for ", at most
    six words; of a film or book the whole title, with "Suspects, The" as "The Suspects"."""
    title = title.strip().rstrip(".")
    if kind in ("film", "media"):
        title = title.split(" (")[0]
        return _INVERTED.sub(r"\2 \1", title)
    words = _NAME_ENDS.split(title)[0].split()[:_MAX_NAME_WORDS]
    return " ".join(words).rstrip(",")


def _audiences(item: SyntheticItem, rng: random.Random) -> list[Audience]:
    """Three audiences: spread over a film's genres; by a product's head word, so that like items get like people."""
    if not item.topics:
        return _fallback_audiences(item, rng)
    ranked = [_habitual_order(topic, item.noun, rng) for topic in item.topics]
    chosen: list[Audience] = []
    for rank in range(SEGMENTS):
        chosen += [order[rank] for order in ranked]
    return chosen[:SEGMENTS]


def _habitual_order(topic: Topic, noun: str, rng: random.Random) -> list[Audience]:
    key = noun.split()[-1].lower() if noun else ""
    if noun and rng.random() < _HABITUAL_SHARE:
        return sorted(topic.audiences, key=lambda audience: zlib.crc32(f"{key}|{audience.who}".encode()))
    return rng.sample(topic.audiences, k=len(topic.audiences))


def _fallback_audiences(item: SyntheticItem, rng: random.Random) -> list[Audience]:
    """People for a kind of item that nothing is known about, in the item's own words."""
    label = item.leaf or item.noun
    everybody = [
        Audience(f"{label} shoppers", "compare what is on offer before they buy"),
        Audience(f"{label} enthusiasts", "find something special in their field"),
        Audience(f"First-time buyers of {label}", "get something that is easy to start with"),
        Audience("Gift buyers", "find something useful for a friend"),
        Audience("Professionals", "rely on solid equipment in daily work"),
        Audience("Practical households", "choose things that simply do their job"),
    ]
    if item.brand:
        everybody.append(Audience(f"{item.brand} customers", "stay with a brand that they know"))
    return rng.sample(everybody, k=SEGMENTS)


def _slots(item: SyntheticItem, rng: random.Random) -> dict[str, str]:
    """What the wording may mention of an item; an attribute that the prompt does not show is no slot."""
    short = short_name(item.title, item.kind)
    named = item.kind == "product" and not short.startswith("The ")
    title_words = [word.strip(",.()") for word in item.title.split()]
    start = rng.randrange(max(1, len(title_words) - 1))
    slots = {
        "short": short,
        "Short": short,
        "ref": f"the {short}" if named else short,
        "Ref": f"The {short}" if named else short,
        "head": " ".join(short.split()[-2:]).removeprefix("The "),
        "pair": " ".join(title_words[start : start + 2]),
        "brand": item.brand,
        "leaf": item.leaf,
        "year": item.year,
        "thing": item.topics[0].thing if item.topics else "product",
    }
    if item.kind == "film":
        adjectives = [topic.thing for topic in item.topics]
        slots["thing"] = f"{' '.join(adjectives[:2])} film"
        slots["adjective"] = rng.choice(adjectives)
        slots["a_adjective"] = _with_article(slots["adjective"])
    slots["a_thing"] = _with_article(slots["thing"])
    return {name: text for name, text in slots.items() if text}


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _pick(templates: list[str], slots: dict[str, str], rng: random.Random, count: int) -> list[str]:
    """`count` different templates whose slots the item can fill."""
    usable = [template for template in templates if set(_SLOT.findall(template)) <= set(slots)]
    return rng.sample(usable, k=count)


def _fill(template: str, slots: dict[str, str]) -> str:
    return _SLOT.sub(lambda match: slots[match[1]], template)
