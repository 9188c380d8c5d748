"""The attribute terms of a catalogue, learned from its metadata: what a text can claim of an item beside numbers and ages.

- brand: values of the brand field; not a single word that the catalogue also writes in lower case.
- material: the noun that ends what follows "made of" or "made from", and the entries of a field that is called material,
  fabric, composition or ingredients; 1.5% of the items with the word must use it so. What follows "100%" and what stands
  before "material" there is counted, too, but makes no material alone ("100% satisfaction", "raw material").
- property: words in -proof, -resistant, -repellent and -free ("waterproof").
- attribute: entries of at most three words, without numbers, in fields that list (by commas, semicolons, bars or bullets)
  and are not prose: features, colour, size, …

All but brands must be used so by several items (`least`). A word before the noun there is a modifier, which counts only
beside a material ("breathable cotton"). Titles and descriptions are prose: only materials and properties are taken from
them. Categories give nothing: what an item is and whom it is for is what an archetype is to infer. Terms are compared by
stems (`words.stem`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from genair_engine.archetypes.prompts.template import SKIPPED_ATTRIBUTES
from genair_engine.archetypes.scorecard.words import FUNCTION_WORDS, Word, raw_words, stem, words_of

VERSION = 1
"""Of these rules; kept vocabularies of another version are not used."""

MATERIAL_HEADS = frozenset({"material", "fabric", "cloth", "textile"})
LEAST_SHARE = 0.015
"""Of the items with a word: so many must use it as a material, or as a word before a material."""
LONGEST_ENTRY, LONGEST_RUN = 3, 4
"""Words of a listed attribute, and of what something is made of."""

_MADE_OF = re.compile(
    r"\bmade (?:up |out |entirely |completely |mostly )?(?:of|from)\s+(?:(?:an?|the|our|high|pure|\d{1,3}\s?%)\s+)*",
    re.IGNORECASE,
)
_MATERIAL_FIELDS = ("material", "fabric", "composition", "ingredient")
_NO_NOUNS = MATERIAL_HEADS | frozenset(
    {"construction", "quality", "content", "grade", "strength", "source", "brand", "new", "guarantee", "part", "piece"}
)
_PROPERTY = re.compile(r"[^\W\d_]{2,}-?(?:proof|resistant|repellent)|[^\W\d_]{2,}-free", re.IGNORECASE)
_NO_PROPERTIES = frozenset({"hassle-free", "worry-free", "stress-free", "risk-free", "care-free", "toll-free", "trouble-free"})
_PROSE = frozenset(
    {"title", "name", "movie_title", "description", "categories", "category", "class", "brand", "text", "summary"}
)
_ENTRY = re.compile(r"[,;|•\n\r]+")
_PERCENT = re.compile(r"\d{1,3}\s?%")
_AFTER = 60  # characters in which a material is looked for


@dataclass(frozen=True)
class Vocabulary:
    """Attribute terms with the number of items whose metadata hold them. Keys are stems, joined by blanks.

    fields: attribute term → the field that lists it. items: of the catalogue that it was learned from.
    """

    items: int
    brands: dict[str, int] = field(default_factory=dict)
    materials: dict[str, int] = field(default_factory=dict)
    modifiers: dict[str, int] = field(default_factory=dict)
    properties: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, int] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    @cached_property
    def beside_material(self) -> frozenset[str]:
        """Words that belong to a material which they stand before."""
        return frozenset({*self.materials, *self.modifiers})

    @cached_property
    def any_word(self) -> frozenset[str]:
        """The same, and the words of all listed attributes."""
        return self.beside_material | ({word for term in self.attributes for word in term.split()} - FUNCTION_WORDS)

    @cached_property
    def brand_starts(self) -> frozenset[str]:
        """First words of the brands."""
        return frozenset(brand.split()[0] for brand in self.brands)

    @cached_property
    def attribute_starts(self) -> frozenset[str]:
        """First words of the listed attributes."""
        return frozenset(term.split()[0] for term in self.attributes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def learn_vocabulary(items: Sequence[Mapping[str, str]], brands: Sequence[str], least: int = 2) -> Vocabulary:
    """The vocabulary of a catalogue. items: the attributes of every item; brands: [n_items], "" where unknown.

    least: items that must share a term (a brand needs only one).
    """
    counts = _Counts()
    for attributes in items:
        counts.add(attributes)
    materials = counts.common(Counter({word: counts.materials[word] for word in counts.sure}), least, LEAST_SHARE)
    modifiers = counts.common(counts.modifiers, least, LEAST_SHARE)
    listed = {term: n for term, n in counts.entries.items() if n >= least and term not in materials}
    return Vocabulary(
        items=len(items),
        brands=_brands(brands, counts.lower),
        materials=materials,
        modifiers={word: n for word, n in modifiers.items() if word not in materials},
        properties={word: n for word, n in counts.properties.items() if n >= least},
        attributes=listed,
        fields={term: counts.fields[term] for term in listed},
    )


class _Counts:
    """Numbers of items, over all items added. holds: items with a word; lower: those that write it in lower case;
    sure: words that are called a material for certain at least once."""

    def __init__(self) -> None:
        self.holds: Counter[str] = Counter()
        self.lower: Counter[str] = Counter()
        self.materials: Counter[str] = Counter()
        self.modifiers: Counter[str] = Counter()
        self.sure: set[str] = set()
        self.properties: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self.fields: dict[str, str] = {}

    def add(self, attributes: Mapping[str, str]) -> None:
        materials: set[str] = set()
        modifiers: set[str] = set()
        entries: dict[str, str] = {}
        words: set[str] = set()
        lower: set[str] = set()
        for key, value in _kept(attributes):
            raw = set(raw_words(value))
            words |= raw
            lower |= {stem(word) for word in raw if word.islower()} if key.lower() != "brand" else set()
            for run, sure in _materials(key, value):
                materials.add(run[-1])
                modifiers.update(run[:-1])
                self.sure |= {run[-1]} if sure else set()
            entries |= dict.fromkeys(_entries(key, value), key)
        self.holds.update({stem(word) for word in words})
        self.lower.update(lower)
        self.properties.update({stem(word) for word in words if _PROPERTY.fullmatch(word)} - _NO_PROPERTIES)
        self.materials.update(materials)
        self.modifiers.update(modifiers)
        self.entries.update(entries.keys())
        self.fields = entries | self.fields

    def common(self, used: Counter[str], least: int, share: float) -> dict[str, int]:
        """Words that enough items use so, with the items that hold them."""
        return {word: self.holds[word] for word, n in used.items() if n >= max(least, share * self.holds[word])}


def _kept(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in attributes.items() if key.lower() not in SKIPPED_ATTRIBUTES)


def _materials(key: str, value: str) -> Iterator[tuple[list[str], bool]]:
    """What something is made of: stems of a noun and the words before it, and whether it is sure to be a material."""
    nouns: list[tuple[list[str], bool]] = []
    if any(name in key.lower() for name in _MATERIAL_FIELDS):
        nouns += [_noun(entry.strip()) for entry in _ENTRY.split(_PERCENT.sub(" ", value))]
    nouns += [_noun(value[match.end() : match.end() + _AFTER]) for match in _MADE_OF.finditer(value)]
    nouns += [(_noun(value[match.end() : match.end() + _AFTER].lstrip())[0][-1:], False) for match in _PERCENT.finditer(value)]
    return ((run, sure) for run, sure in nouns if run)


def _noun(text: str) -> tuple[list[str], bool]:
    """The content words with which a text begins, if they may be a noun phrase.

    It is not sure to name a material where a general name follows ("raw material"), which is left out.
    """
    run: list[str] = []
    end = 0
    for word in words_of(text):
        if text[end : word.start].strip() or not _content(word):
            break
        run.append(word.stem)
        end = word.end
    length = len(run)
    while run and run[-1] in _NO_NOUNS:
        run.pop()
    return (run if length <= LONGEST_RUN else []), len(run) == length


def _entries(key: str, value: str) -> Iterator[str]:
    """The short entries of a field that lists, without shares ("100%"); none that holds another number."""
    if key.lower() in _PROSE:
        return
    for entry in _ENTRY.split(value):
        plain = _PERCENT.sub(" ", entry)
        stems = [word.stem for word in words_of(plain)]
        if 1 <= len(stems) <= LONGEST_ENTRY and not {stems[0], stems[-1]} & FUNCTION_WORDS and not re.search(r"\d", plain):
            yield " ".join(stems)


def _content(word: Word) -> bool:
    return word.stem not in FUNCTION_WORDS and not word.text[0].isdigit() and len(word.stem) > 2


def _brands(brands: Sequence[str], lower: Mapping[str, int]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for brand, count in Counter(brand for brand in brands if brand).items():
        stems = [stem(word) for word in raw_words(brand)]
        ordinary = len(stems) == 1 and (lower.get(stems[0], 0) > 0 or len(stems[0]) < 3)
        if stems and not ordinary:
            counts[" ".join(stems)] += count
    return dict(counts)
