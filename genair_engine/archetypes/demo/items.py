"""Synthetic catalogue items: the metadata that the demo language models are trained to read.

No real catalogue is used. A kind of product, place or film is drawn from `topics.toml`; its title, brand, description
and categories are put together from the word lists of `words.toml`, invented brand names and model numbers. Invented
words make the models learn to copy what they have never seen. Everything follows from one random generator.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

from genair_engine.archetypes.demo.topics import Topic, genres, topics, words
from genair_engine.catalog.demo import invented_word

_MEDIA = frozenset({"novel", "guide book", "children's book", "video game", "board game or puzzle"})
_PLACES = frozenset({"restaurant", "café or bar", "local service"})
_UNKNOWN_SHARE, _FILM_SHARE, _PLACE_SHARE, _SCIENTIFIC_SHARE = 0.05, 0.22, 0.05, 0.65


@dataclass(frozen=True)
class SyntheticItem:
    """An item as a prompt sees it, and what is known about it.

    attributes: what the prompt shows, in its order. title: the full title. topics: one for a product or place, one per
    genre for a film, none for an unknown kind. kind: "product", "media", "place" or "film".
    """

    attributes: dict[str, str]
    title: str
    kind: str
    topics: tuple[Topic, ...]
    brand: str = ""
    leaf: str = ""
    year: str = ""
    noun: str = ""


def draw_item(rng: random.Random) -> SyntheticItem:
    """One item of a kind drawn by fixed shares: films, places, industrial and general products, unknown products."""
    share = rng.random()
    if share < _FILM_SHARE:
        return _film(rng)
    if share < _FILM_SHARE + _PLACE_SHARE:
        return _place(rng)
    if share < _FILM_SHARE + _PLACE_SHARE + _UNKNOWN_SHARE:
        return _product(rng, None)
    scientific = rng.random() < _SCIENTIFIC_SHARE
    known = [topic for topic in topics() if topic.noun not in _PLACES]
    return _product(rng, rng.choice([topic for topic in known if topic.path.startswith("Indus") == scientific]))


def _invented(rng: random.Random) -> str:
    """A word that no catalogue has, at times with an accent."""
    return invented_word(rng, accents=0.04)


def _brand(rng: random.Random) -> str:
    name = _invented(rng)
    form = rng.random()
    if form < 0.15:
        return name.upper()
    if form < 0.3:
        return f"{name} {rng.choice(words()['suffixes'])}"
    if form < 0.4:
        return f"{rng.choice(words()['prefixes'])} {name}"
    if form < 0.5:
        return f"{name}-{_invented(rng)}" if rng.random() < 0.5 else f"{name} {_invented(rng)}"
    if form < 0.55:
        return rng.choice(string.ascii_uppercase) * rng.choice((1, 2)) + str(rng.randint(1, 9)) + rng.choice("MXTK")
    return name


def _model_number(rng: random.Random) -> str:
    letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 4)))
    digits = str(rng.randint(1, 10 ** rng.randint(1, 5)))
    return rng.choice(
        (letters + digits, f"{letters}-{digits}", digits, f"{digits}-{letters}", f"{digits}-{rng.randint(10, 999)}")
    )


def _measure(rng: random.Random) -> str:
    number = rng.choice(
        (str(rng.randint(1, 12)), str(rng.randint(10, 500)), f"{rng.uniform(0.1, 9):.2f}", "1/2", "3/8", "1-1/4")
    )
    unit = rng.choice(words()["units"])
    size = f"{number}{rng.choice(('', ' ', '-'))}{unit}"
    between = rng.choice((" x ", "x", " \u00d7 ", " X "))
    return f"{size}{between}{rng.randint(2, 99)}{unit}" if rng.random() < 0.2 else size


def _product_title(rng: random.Random, brand: str, noun: str) -> str:
    lists = words()
    front = [brand] if brand and rng.random() < 0.75 else []
    front += [_model_number(rng)] * (rng.random() < 0.35)
    front += [_measure(rng)] * (rng.random() < 0.25)
    front += [rng.choice(lists["traits"])] * (rng.random() < 0.6)
    front += [_invented(rng)] * (rng.random() < 0.15)
    front += [rng.choice(lists["traits"])] * (rng.random() < 0.2)
    front.append(noun)
    tails = [
        _measure(rng),
        rng.choice(lists["colors"]),
        rng.choice(lists["packs"]).replace("#", str(rng.choice((2, 3, 4, 5, 6, 10, 12, 20, 25, 50, 100, 144, 500)))),
        rng.choice(lists["traits"]),
        f"{rng.choice(lists['nouns'])} {rng.choice(lists['traits'])}",
        _model_number(rng),
        f"{_measure(rng)} {rng.choice(('Length', 'Diameter', 'Width', 'OD', 'ID', 'Thick', 'Capacity'))}",
    ]
    title = " ".join(front)
    if rng.random() < 0.25:
        title += (
            rng.choice((" with ", " for ", " - ", " and ")) + f"{rng.choice(lists['traits'])} {rng.choice(lists['nouns'])}"
        )
    for tail in rng.sample(tails, k=rng.choice((0, 1, 1, 2, 2, 3))):
        title += f" ({tail})" if rng.random() < 0.15 and "(" not in tail else f", {tail}"
    return title + rng.choice(("", "", "."))


def _media_title(rng: random.Random) -> str:
    lists = words()
    return rng.choice(lists["title_forms"]).format(
        noun=rng.choice(lists["nouns"]),
        other=rng.choice(lists["nouns"]),
        adjective=rng.choice(lists["adjectives"]),
        verb=rng.choice(lists["verbs"]),
        name=rng.choice((rng.choice(lists["people"]), _invented(rng))),
        place=rng.choice((rng.choice(lists["places"]), _invented(rng))),
        invented=_invented(rng),
        lower=_invented(rng).lower(),
    )


def _titled(rng: random.Random, noun: str) -> str:
    """The title of a book or game: like a film's, and what it is, unless the title ends in a moved article."""
    title = _media_title(rng)
    return title if ", " in title else f"{title}{rng.choice((': ', ' '))}{noun}"


def _description(rng: random.Random, title: str, noun: str) -> str:
    filler = " ".join(rng.choices(words()["filler"], k=rng.randint(4, 22))).capitalize()
    name = title.split(",")[0]
    start = rng.choice((f"The {name} is ", f"{name} ", f"This {noun} ", "", "", f"{title} "))
    return f"{start}{filler}{rng.choice(('.', '', '. ' + _invented(rng)))}"


def _product(rng: random.Random, topic: Topic | None) -> SyntheticItem:
    """A product of a topic; without a topic its head word and categories are invented."""
    brand = _brand(rng)
    if topic is None:
        noun = f"{rng.choice(words()['nouns'])} {_invented(rng)}"
        leaf, path = (
            f"{_invented(rng)} {rng.choice(words()['nouns'])}s",
            f"{_invented(rng)} & {_invented(rng)}",
        )
    else:
        noun, leaf, path = rng.choice(topic.nouns), rng.choice(topic.leaves), topic.path
    media = topic is not None and topic.noun in _MEDIA
    title = _titled(rng, noun) if media else _product_title(rng, brand, noun)
    between = [rng.choice(topic.leaves)] if topic and rng.random() < 0.35 else []
    categories = ",".join(dict.fromkeys((path, *between, leaf)))
    everything = {
        rng.choice(("title", "title", "title", "name")): title,
        "description": _description(rng, title, topic.noun if topic else "product"),
        "brand": brand,
        rng.choice(("categories", "categories", "category")): categories,
        "price": f"${rng.randint(1, 199)}.{rng.choice(('99', '95', '00', '49'))}",
        rng.choice(("feature", "features")): f"{rng.choice(words()['traits'])}, {_measure(rng)}",
    }
    shown = _some_attributes(rng, everything, dict(zip(everything, (1.0, 0.85, 0.85, 0.9, 0.1, 0.1), strict=True)))
    return SyntheticItem(
        attributes=shown,
        title=title,
        kind="media" if media else "product",
        topics=(topic,) if topic else (),
        brand=brand if "brand" in shown or brand in title else "",
        leaf=leaf if {"categories", "category"} & set(shown) and len(categories) <= 100 else "",
        noun=noun,
    )


def _place(rng: random.Random) -> SyntheticItem:
    topic = rng.choice([topic for topic in topics() if topic.noun in _PLACES])
    noun, leaf = rng.choice(topic.nouns), rng.choice(topic.leaves)
    name = rng.choice((_invented(rng), rng.choice(words()["people"]) + "'s", rng.choice(words()["adjectives"])))
    title = f"{rng.choice(('The ', '', ''))}{name} {noun}"
    everything = {
        "name": title,
        "city": rng.choice(words()["cities"]),
        "stars": rng.choice(("2.5", "3.0", "3.5", "4.0", "4.5", "5.0")),
        "categories": f"{leaf}, {topic.path}",
        "address": f"{rng.randint(1, 9999)} {_invented(rng)} St",
    }
    shown = _some_attributes(rng, everything, dict(zip(everything, (1.0, 0.8, 0.5, 0.95, 0.3), strict=True)))
    return SyntheticItem(shown, title, "place", (topic,), leaf=leaf if "categories" in shown else "", noun=noun)


def _film(rng: random.Random) -> SyntheticItem:
    chosen = sorted(rng.sample(sorted(genres()), k=rng.choice((1, 1, 2, 2, 3, 4))))
    title, year = _media_title(rng), str(rng.randint(1922, 2024) if rng.random() < 0.4 else rng.randint(1990, 1999))
    dated = f"{title} ({year})" if rng.random() < 0.1 else title
    separator = rng.choice((" ", " ", ", ", ", ", "|"))
    everything = {
        rng.choice(("movie_title", "title")): dated,
        rng.choice(("release_year", "release_year", "year")): year,
        rng.choice(("class", "class", "genres", "genre")): separator.join(chosen),
    }
    shown = _some_attributes(rng, everything, dict(zip(everything, (1.0, 0.92, 1.0), strict=True)))
    seen = year if year in " ".join(shown.values()) else ""
    return SyntheticItem(shown, title, "film", tuple(genres()[name] for name in chosen), year=seen)


def _some_attributes(rng: random.Random, everything: dict[str, str], shares: dict[str, float]) -> dict[str, str]:
    """Each attribute with the chance that `shares` gives it; in one item of four, in a random order."""
    kept = [key for key in everything if rng.random() < shares[key]]
    if rng.random() < 0.25:
        rng.shuffle(kept)
    return {key: everything[key] for key in kept}
