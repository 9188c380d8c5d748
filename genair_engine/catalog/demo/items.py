"""Items of the demo catalogue: what a shop would say about them, and, apart from that, what was planted behind it.

An item is of a kind and for one to three audiences. Its metadata name the kind; whom it is for is said by cues only ("for
night feeds", "Trail" in the title), of which each audience has many that share few words. So two items with the same
department, shelf and noun may be for different people, and items of different departments for the same: whoever
understands the text finds out, whoever compares words or categories does not. Some metadata are missing or messy, by
the shares `MISSING` and `MESSY`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from genair_engine.catalog.demo.vocabulary import Kind, audiences, invented_word, kinds, words

MISSING = {
    "brand": 0.06,
    "price": 0.08,
    "features": 0.10,
    "description": 0.07,
    "rating": 0.09,
    "date": 0.06,
}
"""Share of items that lack an attribute (an item that hints at its audience keeps description or features)."""

MESSY = {
    "title in capitals": 0.03,
    "title without the product": 0.04,
    "department only": 0.05,
    "price in words": 0.06,
    "markup in the description": 0.04,
    "date as a month": 0.08,
    "return policy among the features": 0.05,
}
"""Share of items with each of these blemishes."""

SILENT = 0.05
"""Share of items whose text hints at nobody; they are for the usual audiences of their kind."""

_ONE_TWO_THREE = (0.45, 0.40, 0.15)
_TAGGED, _BRANDS = 0.35, 150


@dataclass(frozen=True)
class DemoItem:
    """An item. The fields up to `date` are its metadata, "" where unknown; what follows is planted and never shown.

    kind: what it is. audiences: names of whom it is for, the main one first. cues: for each of them the words of the
    text that tell it ("" where none do).
    """

    title: str
    brand: str
    price: str
    categories: str
    features: str
    description: str
    rating: str
    date: str
    kind: Kind
    noun: str
    audiences: tuple[str, ...]
    cues: tuple[str, ...]

    @property
    def metadata(self) -> dict[str, str]:
        """All metadata columns, in the order of the catalogue's files."""
        return {name: getattr(self, name) for name in METADATA}


METADATA = tuple(field.name for field in fields(DemoItem))[:8]


def draw_items(rng: random.Random) -> Iterator[DemoItem]:
    """Endless items: kinds in turns, brands from one pool that this generator invents (each at home in few departments)."""
    pool = _brand_pool(rng)
    while True:
        for kind in rng.sample(kinds(), k=len(kinds())):
            yield _messy(_item(kind, rng.choice(pool[kind.department]), rng), rng)


def returns_and_rank(rank: int, department: str) -> str:
    """What a shop's page says among the features though it is none: the paper's case study has it."""
    return f"Select Size to see the return policy for the item; rank is {rank:,} in {department}"


def sun_hat() -> DemoItem:
    """The item of the paper's case study (its table 7), with the metadata that the paper shows."""
    kind = next(kind for kind in kinds() if kind.name == "sun hat")
    return DemoItem(
        title="Zutano Baby UPF 30+ Sun Protection Hat",
        brand="Zutano",
        price="$18.00",
        categories=_categories(kind),
        features=returns_and_rank(464_412, "Clothing, Shoes & Jewelry"),
        description="Our wide-brim sun hat with adorable chin ties will not only stay on but will keep your little one",
        rating="5",
        date="2016-04-11",
        kind=kind,
        noun="Sun Protection Hat",
        audiences=kind.audiences[:3],
        cues=("your little one", "", ""),
    )


def _brand_pool(rng: random.Random) -> dict[str, list[str]]:
    """Brands by department: `_BRANDS` names, each in one to three departments, every department with a few at least."""
    departments = list(dict.fromkeys(kind.department for kind in kinds()))
    pool: dict[str, list[str]] = {name: [] for name in departments}
    for number in range(_BRANDS):
        name = invented_word(rng)
        form = rng.random()
        if form < 0.12:
            name = name.upper()
        elif form < 0.24:
            name = f"{name} {rng.choice(words()['suffixes'])}"
        elif form < 0.3:
            name = f"{name} & {invented_word(rng)}"
        homes = {departments[number % len(departments)], *rng.sample(departments, k=rng.choice((0, 1, 2)))}
        for home in sorted(homes):
            pool[home].append(name)
    return pool


def _item(kind: Kind, brand: str, rng: random.Random) -> DemoItem:
    """A tidy item of a kind and a brand."""
    noun, color = rng.choice(kind.nouns), rng.choice(words()["colors"])
    silent = rng.random() < SILENT
    count = 2 if silent else rng.choices((1, 2, 3), _ONE_TWO_THREE)[0]
    names = kind.audiences[:count] if silent else tuple(rng.sample(kind.audiences, k=count))
    people = [audiences()[name] for name in names]
    cues = ["" if silent else rng.choice(group.cues) for group in people]
    tag = rng.choice(people[0].tags) if not silent and rng.random() < _TAGGED else ""
    features = rng.sample(kind.features, k=rng.choice((1, 2, 2, 3)))
    slots = {
        "noun": noun.lower(),
        "Noun": noun,
        "name": brand,
        "color": color.lower(),
        "feature": rng.choice(kind.features),
    }
    described = [cue for cue in cues[:2] if cue]
    purpose = rng.choice(words()["purposes"] if described else words()["plain"]).format(cues=" and ".join(described), **slots)
    filler = " ".join(rng.sample(words()["fillers"], k=rng.choice((0, 1, 1, 2)))).format(**slots)
    featured = cues[2:] or [cue for cue in cues[:1] if rng.random() < 0.25]
    features += [f"for {cue}" for cue in featured if cue]
    rng.shuffle(features)
    low, high = kind.price
    return DemoItem(
        title=_title(brand, noun, tag, color, rng),
        brand=brand,
        price=f"${low + (high - low) * rng.random() ** 2:,.0f}.{rng.choice(('00', '49', '95', '99', '99'))}",
        categories=_categories(kind),
        features=", ".join(features),
        description=f"{purpose} {filler}".strip(),
        rating=f"{min(5.0, max(1.0, rng.gauss(4.2, 0.5))):.1f}",
        date=f"{rng.randint(2014, 2021)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        kind=kind,
        noun=noun,
        audiences=names,
        cues=tuple(cues),
    )


def _categories(kind: Kind) -> str:
    leaf = kind.nouns[0] if kind.nouns[0].endswith("s") else f"{kind.nouns[0]}s"
    return ", ".join(dict.fromkeys((kind.department, kind.shelf, leaf)))


def _title(brand: str, noun: str, tag: str, color: str, rng: random.Random) -> str:
    parts = [brand] if rng.random() < 0.8 else []
    parts += [invented_word(rng)] * (rng.random() < 0.5 or not parts)
    parts += [rng.choice(words()["adjectives"])] * (rng.random() < 0.6)
    parts += [tag] if tag else []
    parts += [f"{rng.choice(words()['ratings'])} {rng.randint(2, 100)}{rng.choice(('', '+'))}"] * (rng.random() < 0.08)
    title = " ".join((*parts, noun))
    if rng.random() < 0.55:
        model = f"{rng.choice('ABCDEKLMRSTVX')}{rng.randint(1, 9)}{rng.randint(0, 99):02}"
        tail = rng.choice(words()["tails"])
        title += tail.format(color=color, size=rng.choice("SML"), year=rng.randint(2014, 2021), model=model)
    return title


def _messy(item: DemoItem, rng: random.Random) -> DemoItem:
    """The item as a real shop would have it: with what is missing and what is wrong."""
    wrong = {what for what, share in MESSY.items() if rng.random() < share}
    gone = {what for what, share in MISSING.items() if rng.random() < share}
    if "title without the product" in wrong and item.noun in item.title:
        item = replace(item, title=item.title.replace(item.noun, "").replace(" ,", ",").replace("  ", " ").strip())
    elif "department only" in wrong:
        item = replace(item, categories=item.kind.department)
    if "title in capitals" in wrong:
        item = replace(item, title=item.title.upper())
    if "price in words" in wrong:
        item = replace(item, price=rng.choice((f"{item.price[1:]} USD", f"from {item.price}", "see price in cart")))
    if "markup in the description" in wrong:
        item = replace(item, description=item.description.replace(". ", ".<br>", 1).replace(" and ", " &amp; "))
    if "date as a month" in wrong:
        item = replace(item, date=f"{words()['months'][int(item.date[5:7]) - 1]} {item.date[:4]}")
    if "return policy among the features" in wrong:
        parts = (item.features, returns_and_rank(rng.randint(1_000, 999_999), item.kind.department))
        item = replace(item, features=", ".join(parts if "for " in item.features else parts[::-1]))
    if {"features", "description"} <= gone:
        gone.discard("description")
    if "description" in gone:
        cues = [f"for {cue}" for cue in item.cues if cue and cue not in item.features and cue not in item.title]
        item = replace(item, features=", ".join(filter(None, (*cues, item.features))))
    if "features" in gone:
        cues = [cue for cue in item.cues if cue and cue not in item.description and cue not in item.title]
        item = replace(item, description=" ".join((*(f"For {cue}." for cue in cues), item.description)))
    return replace(item, **{name: "" for name in gone})  # type: ignore[arg-type]  # metadata are text
