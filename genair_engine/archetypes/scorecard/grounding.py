"""Grounding: of the attributes that an archetype claims of its item, which does the item's metadata hold?

A claim is an attribute term of the catalogue (`vocabulary`), a number or an age in the text. It is supported where the
item's own metadata (all of its attributes, uncut) hold every word of it, or the same numbers. Who the item is for is no
claim: that is what an archetype infers. The rules about when a word is claimed of the item rather than said of people:

- materials count before a noun of the item ("cotton hat"), and where the phrase is about the item ("its …", "the …", "made
  of …"), but not elsewhere ("boards on metal") nor before another noun ("the metal detectorists");
- in front of "material" or "fabric" every word counts that the catalogue knows from any attribute ("the breathable cotton
  material");
- properties are no verbs ("they waterproof tents");
- single words that a field lists (colours, sizes, …) count only before a noun of the item's title or beside a material;
- brands count where they are written with capitals, at the start of a sentence only if they have several words.

score = supported claims / claims, each term once; a text that claims nothing has none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from genair_engine.archetypes.scorecard.numbers import Figure, figures_of, numbers_in
from genair_engine.archetypes.scorecard.vocabulary import MATERIAL_HEADS, Vocabulary
from genair_engine.archetypes.scorecard.words import FUNCTION_WORDS, Word, parts, words_of

Kind = Literal["brand", "material", "property", "attribute", "number", "age"]
Place = tuple[Kind, int, int]

_ITEM_NOUNS = frozenset({"item", "product", "design", "finish", "construction", "lining", "shell", "body"}) | MATERIAL_HEADS
_LONGEST = 5
_REACH = 4
_DEFINITE = frozenset({"its", "this", "the", "these", "is", "are"})
_OF = frozenset({"of", "from", "with", "in"})
_MADE = frozenset({"made", "built", "crafted", "constructed", "composed", "consist"})
_BEFORE_VERBS = frozenset({"they", "to", "who", "we", "you"})
_QUOTES = " \t*_\"“'("


@dataclass(frozen=True)
class Claim:
    """A term that the text claims at text[start:end].

    term: as it is counted (stems, or the figure's text). reason: one sentence on why it is supported, or is not.
    """

    start: int
    end: int
    term: str
    kind: Kind
    supported: bool
    reason: str


@dataclass(frozen=True)
class Grounding:
    """claims: in the order of the text, none overlapping. score: share of the distinct claims that are supported, or None."""

    claims: tuple[Claim, ...]

    @property
    def score(self) -> float | None:
        supported = {(claim.kind, claim.term): claim.supported for claim in self.claims}
        return sum(supported.values()) / len(supported) if supported else None

    @property
    def unsupported(self) -> tuple[Claim, ...]:
        """What to mark in the text."""
        return tuple(claim for claim in self.claims if not claim.supported)


def ground(text: str, attributes: Mapping[str, str], vocabulary: Vocabulary) -> Grounding:
    """What a text claims of the item with these attributes. Linear in the length of the text; any text is fine."""
    item = _Item(attributes)
    figures = figures_of(text)
    claims = [item.judge_figure(text, figure) for figure in figures]
    written = _Text(text)
    taken: set[int] = set()
    for kind, first, last in _terms(written, vocabulary, item.nouns):
        positions = range(first, last + 1)
        if taken.isdisjoint(positions):
            taken.update(positions)
            claims.append(item.judge(kind, written.words[first : last + 1], vocabulary))
    return Grounding(tuple(sorted(claims, key=lambda claim: claim.start)))


class _Item:
    """What the metadata of an item hold. nouns: what the text may call it."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        held = {key: [word.stem for word in words_of(value)] for key, value in attributes.items()}
        self.words = {
            part for stems in held.values() for stem in stems for part in (stem, *parts(stem), stem.replace("-", ""))
        }
        title = next((held[key] for key in ("title", "name", "movie_title") if key in held), [])
        self.nouns = _ITEM_NOUNS | {part for stem in title for part in parts(stem)}
        text = "\n".join(attributes.values())
        self.numbers = numbers_in(text)
        self.ages = {value for figure in figures_of(text) if figure.kind == "age" for value in figure.values}

    def holds(self, word: str) -> bool:
        return word in self.words or word.replace("-", "") in self.words or all(part in self.words for part in parts(word))

    def judge_figure(self, text: str, figure: Figure) -> Claim:
        shown = text[figure.start : figure.end]
        known = self.ages if figure.kind == "age" else self.numbers
        missing = [value for value in figure.values if value not in known]
        if not missing:
            reason = f"The metadata hold {'this age' if figure.kind == 'age' else 'this number'}."
        else:
            values = " and ".join(f"{value:.12g}" for value in missing)
            reason = f"No {'age' if figure.kind == 'age' else 'number'} in the item's metadata is {values}."
        return Claim(figure.start, figure.end, " ".join(shown.split()).casefold(), figure.kind, not missing, reason)

    def judge(self, kind: Kind, words: Sequence[Word], vocabulary: Vocabulary) -> Claim:
        claimed = [word for word in words if kind != "material" or word.stem not in MATERIAL_HEADS]
        missing = [word for word in claimed if not self.holds(word.stem)]
        term = " ".join(word.stem for word in claimed)
        if not missing:
            reason = "The metadata say so."
        else:
            listed = " or ".join(f"“{word.text}”" for word in missing)
            known = _elsewhere(kind, [word.stem for word in missing], term, vocabulary)
            reason = f"The item's metadata do not say {listed}; {known}"
        return Claim(words[0].start, words[-1].end, term, kind, not missing, reason)


def _elsewhere(kind: Kind, missing: Sequence[str], term: str, vocabulary: Vocabulary) -> str:
    """Why the catalogue makes a term of it."""
    if kind == "brand":
        return f"it is the brand of {_items(vocabulary.brands[term])} of the catalogue."
    if kind == "attribute":
        return f"“{vocabulary.fields[term]}” of {_items(vocabulary.attributes[term])} lists it."
    known = vocabulary.materials | vocabulary.modifiers | vocabulary.properties
    counts = [f"“{word}” of {_items(known[word])}" for word in missing if word in known]
    return (
        f"the catalogue says {' and '.join(counts)}." if counts else "the catalogue knows it from the features of other items."
    )


def _items(count: int) -> str:
    return f"{count:,} item{'s' * (count != 1)}"


class _Text:
    """A text's words. adjacent: whether only white space stands between a word and the next (False for the last)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = words_of(text)
        self.stems = [word.stem for word in self.words]
        self.adjacent = [text[word.end : following.start].isspace() for word, following in itertools.pairwise(self.words)] + [
            False
        ]

    def following(self, place: int) -> str:
        """The stem right after a word, "" where punctuation or nothing follows."""
        return self.stems[place + 1] if self.adjacent[place] else ""

    def phrases(self, terms: Mapping[str, int], starts: Set[str]) -> Iterator[tuple[int, int]]:
        """First and last word of every place where a term stands, the longest there. starts: first words of the terms."""
        first = 0
        while first < len(self.stems):
            last = self._longest(first, terms) if self.stems[first] in starts else None
            if last is not None:
                yield first, last
            first = first + 1 if last is None else last + 1

    def _longest(self, first: int, terms: Mapping[str, int]) -> int | None:
        end = first + 1
        while end < len(self.stems) and end - first < _LONGEST and self.adjacent[end - 1]:
            end += 1
        return next((last - 1 for last in range(end, first, -1) if " ".join(self.stems[first:last]) in terms), None)


def _terms(text: _Text, vocabulary: Vocabulary, nouns: Set[str]) -> Iterator[Place]:
    """(kind, first word, last word) of what counts as claimed; earlier ones take precedence where they overlap."""
    yield from _brands(text, vocabulary)
    yield from _materials(text, vocabulary, nouns)
    for place, stem in enumerate(text.stems):
        if stem in vocabulary.properties and (place == 0 or text.stems[place - 1] not in _BEFORE_VERBS):
            yield "property", place, place
    for first, last in text.phrases(vocabulary.attributes, vocabulary.attribute_starts):
        describes = text.following(last) in nouns and text.stems[first] not in nouns
        if last > first or describes:
            yield "attribute", first, last


def _brands(text: _Text, vocabulary: Vocabulary) -> Iterator[Place]:
    for first, last in text.phrases(vocabulary.brands, vocabulary.brand_starts):
        capitals = all(not word.text[0].islower() for word in text.words[first : last + 1])
        before = text.text[: text.words[first].start].rstrip(_QUOTES)
        starts = first == last and (not before or before[-1] in ".!?:#)\n")
        if capitals and not starts:
            yield "brand", first, last


def _materials(text: _Text, vocabulary: Vocabulary, nouns: Set[str]) -> Iterator[Place]:
    claimed = -1
    for place, stem in enumerate(text.stems):
        head = stem in MATERIAL_HEADS
        if not head and stem not in vocabulary.materials:
            continue
        known = vocabulary.any_word if head else vocabulary.beside_material
        first = place
        while first > 0 and text.adjacent[first - 1] and text.stems[first - 1] in known:
            first -= 1
        follows = text.following(place)
        last = place + 1 if follows in MATERIAL_HEADS else place
        described = head or not follows or follows in FUNCTION_WORDS or follows in vocabulary.materials
        goes_on = 0 <= claimed == first - 2 and text.stems[first - 1] in ("and", "or")
        named = follows in nouns and follows not in MATERIAL_HEADS
        if named or ((described or last > place) and (goes_on or _said_of_item(text, first))):
            claimed = last
            if not head or first < place:
                yield "material", first, last


def _said_of_item(text: _Text, first: int) -> bool:
    """Whether the noun phrase around a word is about the item: "its soft …", "the …", "made of …", "it is …"."""
    place = first - 1
    while place >= max(0, first - _REACH) and text.adjacent[place] and text.stems[place] not in FUNCTION_WORDS:
        place -= 1
    if place < 0 or not text.adjacent[place]:
        return False
    if text.stems[place] in _OF:
        return place > 0 and text.adjacent[place - 1] and text.stems[place - 1] in _MADE
    return text.stems[place] in _DEFINITE
