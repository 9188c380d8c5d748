"""Training text of the demo language models: a prompt made from synthetic metadata, and the archetype that answers it.

The prompt is exactly the product's (`prompts.PAPER`). The answer has the shape that the app relies on: an opening that
names the item in words copied from its title, audience segments on lines "1. ", "2. ", …, and at times a closing
sentence. Three of five items are drawn by the generator of the demo catalogue from other seeds than the catalogue's own, so
that its brands and titles are never seen in training; `shop` answers for them. Of the rest (films, places, industrial and
other products), who is named follows from the item's kind, genres or head word; what is said about them varies in wording.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from genair_engine.archetypes.demo.items import SyntheticItem, draw_item
from genair_engine.archetypes.demo.shop import shop_answer
from genair_engine.archetypes.demo.topics import Audience, Topic, topics
from genair_engine.archetypes.demo.wording import fill, pick, style, with_article
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.catalog.demo import DemoItem, draw_items, returns_and_rank

_NAME_WORDS, _SHOP_NAME_WORDS = 6, 8
_HABITUAL_SHARE = 0.75
_SHOP_SHARE, _ITEMS_A_POOL = 0.6, 400
_NAME_ENDS = re.compile(r", | \(| [-\u2013] | with | for |: | \|")
_ELSEWHERE_SHARE = 0.25
_DEPARTMENT_END = re.compile(r",(?=\S)")
_INVERTED = re.compile(r"^(.*), (The|A|An)$")


@dataclass(frozen=True)
class Example:
    """One training pair: the user message and the assistant's answer, the item they are about and what it is called."""

    prompt: str
    answer: str
    item: SyntheticItem | DemoItem
    name: str


def examples(style_name: str, count: int, seed: int) -> Iterator[Example]:
    """`count` training pairs in a model's style; the same seed gives the same text."""
    rng = random.Random(f"{style_name}-{seed}")
    movie = replace(PAPER, noun="movie")
    shop = _shop_items(f"training-{style_name}-{seed}")
    for _ in range(count):
        if rng.random() < _SHOP_SHARE:
            yield shop_example(_ranked_elsewhere(next(shop), rng), style_name, rng)
            continue
        item = draw_item(rng)
        template = movie if item.kind == "film" and rng.random() < 0.3 else PAPER
        name = short_name(item.title, item.kind)
        yield Example(template.render(item.attributes), answer(item, style_name, rng), item, name)


def shop_example(item: DemoItem, style_name: str, rng: random.Random) -> Example:
    """The training pair of an item of the demo catalogue's generator."""
    prompt = PAPER.render({name: value for name, value in item.metadata.items() if value})
    short = short_name(item.title, "product", _SHOP_NAME_WORDS)
    return Example(prompt, shop_answer(item, short, style_name, rng), item, short)


def answer(item: SyntheticItem, style_name: str, rng: random.Random) -> str:
    """The archetype of an item: opening, numbered segments, at times a closing sentence."""
    wording, prefix = style(style_name), "film_" if item.kind == "film" else ""
    slots = _slots(item, rng)
    lines = [fill(pick(wording[f"{prefix}openings"], slots, rng)[0], slots)]
    people = _audiences(item, rng.randint(*wording["count"]), rng)
    bodies = pick(wording[f"{prefix}segments"], slots | {"need": ""}, rng, len(people))
    for number, (audience, body) in enumerate(zip(people, bodies, strict=True), start=1):
        lines.append(f"{number}. {audience.who}: {fill(body, slots | {'need': audience.need})}")
    if rng.random() < wording["closing_share"]:
        lines.append(fill(pick(wording[f"{prefix}closings"], slots, rng)[0], slots))
    return "\n".join(lines)


def _shop_items(seed: str) -> Iterator[DemoItem]:
    """Endless items of the demo catalogue's generator, with new brands every `_ITEMS_A_POOL` items."""
    pool = 0
    while True:
        items = draw_items(random.Random(f"{seed}-{pool}"))
        yield from (next(items) for _ in range(_ITEMS_A_POOL))
        pool += 1


def _ranked_elsewhere(item: DemoItem, rng: random.Random) -> DemoItem:
    """At times with a rank in any department among the features, as the sun hat's in "Clothing, Shoes & Jewelry": what else
    that department sells says nothing about the item. Features that say whom it is for stay: prompts cut long ones."""
    if any(sign in item.features for sign in ("rank is", "for ")) or rng.random() >= _ELSEWHERE_SHARE:
        return item
    department = _DEPARTMENT_END.split(rng.choice(topics()).path)[0]
    parts = filter(None, (returns_and_rank(rng.randint(100, 999_999), department), item.features))
    return replace(item, features=", ".join(parts))


def short_name(title: str, kind: str, words: int = _NAME_WORDS) -> str:
    """What a person would call the item: a product's title up to its first comma, bracket, " with " or " for ", at most
    so many words; of a film or book the whole title, with "Suspects, The" as "The Suspects"."""
    title = title.strip().rstrip(".")
    if kind in ("film", "media"):
        title = title.split(" (")[0]
        return _INVERTED.sub(r"\2 \1", title)
    return " ".join(_NAME_ENDS.split(title)[0].split()[:words]).rstrip(",")


def _audiences(item: SyntheticItem, count: int, rng: random.Random) -> list[Audience]:
    """At most `count` audiences: spread over a film's genres; by a product's head word, so that like items get like
    people."""
    if not item.topics:
        return _fallback_audiences(item, count, rng)
    ranked = [_habitual_order(topic, item.noun, rng) for topic in item.topics]
    spread = [order[rank] for rank in range(max(map(len, ranked))) for order in ranked if rank < len(order)]
    return list({audience.who: audience for audience in reversed(spread)}.values())[::-1][:count]


def _habitual_order(topic: Topic, noun: str, rng: random.Random) -> list[Audience]:
    key = noun.split()[-1].lower() if noun else ""
    if noun and rng.random() < _HABITUAL_SHARE:
        return sorted(topic.audiences, key=lambda audience: zlib.crc32(f"{key}|{audience.who}".encode()))
    return rng.sample(topic.audiences, k=len(topic.audiences))


def _fallback_audiences(item: SyntheticItem, count: int, rng: random.Random) -> list[Audience]:
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
    return rng.sample(everybody, k=min(count, len(everybody)))


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
        "thing": item.topics[0].noun if item.topics else "product",
    }
    if item.kind == "film":
        adjectives = [topic.noun for topic in item.topics]
        slots["thing"] = f"{' '.join(adjectives[:2])} film"
        slots["adjective"] = rng.choice(adjectives)
        slots["a_adjective"] = with_article(slots["adjective"])
    slots["a_thing"] = with_article(slots["thing"])
    return {name: text for name, text in slots.items() if text}
