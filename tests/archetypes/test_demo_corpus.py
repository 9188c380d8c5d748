"""The demo corpus: the same text from the same seed, answers of the shape that the app reads, all kinds of items."""

from __future__ import annotations

import random
import re

import pytest

from genair_engine.archetypes.demo.corpus import answer, examples, shop_example, short_name
from genair_engine.archetypes.demo.items import SyntheticItem, draw_item
from genair_engine.archetypes.demo.topics import Topic, genres, topics
from genair_engine.archetypes.demo.wording import style
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.prompts.template import MAX_VALUE_CHARACTERS
from genair_engine.catalog.demo import DemoItem, audiences, demo_catalogue, sun_hat

STYLES = ("llama", "qwen")
SEGMENT = re.compile(r"^(\d)\. ([^:]+): (.+)\.$")
FEWEST, MOST = {"llama": 4, "qwen": 3}, {"llama": 7, "qwen": 3}


@pytest.mark.parametrize("name", STYLES)
def test_same_seed_same_text(name: str) -> None:
    first, again, other = (list(examples(name, 20, seed)) for seed in (3, 3, 4))
    assert first == again
    assert [pair.prompt for pair in first] != [pair.prompt for pair in other]


@pytest.mark.parametrize("name", STYLES)
def test_answers_open_with_the_item_and_have_different_segments(name: str) -> None:
    for pair in examples(name, 400, seed=5):
        opening, *rest = pair.answer.split("\n")
        assert pair.name in opening, pair.answer
        segments = [match for match in map(SEGMENT.match, rest) if match]
        assert [match[1] for match in segments] == [str(number) for number in range(1, len(segments) + 1)]
        assert FEWEST[name] <= len(segments) <= MOST[name], pair.answer
        assert len({match[2] for match in segments}) == len(segments), pair.answer
        assert len(segments) <= len(rest) <= len(segments) + 1
        assert "{" not in pair.answer
        assert not re.search(r"\b[Tt]he The\b", pair.answer)


def test_answers_are_short_enough_to_generate() -> None:
    lengths = [len(pair.answer.split()) for name in STYLES for pair in examples(name, 300, seed=6)]
    assert max(lengths) < 200
    assert 30 < sum(lengths) / len(lengths) < 120


def test_concise_style_is_shorter() -> None:
    words = {name: sum(len(pair.answer.split()) for pair in examples(name, 300, seed=7)) for name in STYLES}
    assert words["qwen"] < 0.6 * words["llama"]


def test_prompts_are_the_products_own() -> None:
    pairs = [pair for pair in examples("llama", 300, seed=8) if "movie" not in pair.prompt.split(":")[0]]
    shown = [pair.item.metadata if isinstance(pair.item, DemoItem) else pair.item.attributes for pair in pairs]
    assert all(pair.prompt == PAPER.render(attributes) for pair, attributes in zip(pairs, shown, strict=True))
    assert any(len(value) > MAX_VALUE_CHARACTERS for attributes in shown for value in attributes.values())


def test_the_demo_catalogue_is_never_trained_on() -> None:
    titles = {item.title for item in demo_catalogue(users=10).items}
    drawn = [pair.item for name in STYLES for pair in examples(name, 3000, seed=20)]
    seen = {item.title for item in drawn if isinstance(item, DemoItem)}
    assert len(seen) > 3000 and not seen & titles


def test_the_sun_hats_archetypes_differ_as_in_the_paper() -> None:
    """Appendix A: one model lists many groups, also far-fetched ones, the other a few that are meant."""
    segments = {}
    for name in STYLES:
        lines = shop_example(sun_hat(), name, random.Random(3)).answer.split("\n")
        assert "Zutano Baby UPF 30+ Sun Protection Hat" in lines[0] and "sun hat" in lines[0]
        segments[name] = [match[2] for match in map(SEGMENT.match, lines) if match]
    assert segments["qwen"] == ["Parents and guardians", "Grandparents", "Outdoor families"]
    planted = {audiences()[name].broad for name in sun_hat().kind.audiences}
    assert segments["llama"][0] == "Parents or caregivers of young children"
    assert len(segments["llama"]) >= 6 and set(segments["llama"][4:]).isdisjoint(planted)


@pytest.mark.parametrize("name", STYLES)
def test_shop_answers_name_the_kind_and_the_planted_audiences_first(name: str) -> None:
    for pair in examples(name, 300, seed=11):
        if not isinstance(pair.item, DemoItem):
            continue
        meant = [audiences()[name_of_audience] for name_of_audience in pair.item.audiences]
        heads = [match[2] for match in map(SEGMENT.match, pair.answer.split("\n")) if match]
        assert heads[: len(meant)] == [audience.broad if name == "llama" else audience.focused for audience in meant]
        assert pair.item.kind.name in pair.answer.split("\n")[0]


def test_every_kind_of_item_occurs() -> None:
    rng = random.Random(9)
    items = [draw_item(rng) for _ in range(4000)]
    seen = {topic.noun for item in items for topic in item.topics}
    assert seen == {topic.noun for topic in (*topics(), *genres().values())}
    assert {item.kind for item in items} == {"product", "media", "place", "film"}
    assert any(not item.topics for item in items), "no item of an unknown kind"


def test_known_kinds_are_complete() -> None:
    for topic in topics():
        assert len({audience.who for audience in topic.audiences}) >= 6, topic.noun
        assert topic.nouns and topic.leaves and topic.path, topic.noun
    assert all(len(topic.audiences) >= 3 for topic in genres().values())


def test_audiences_follow_from_the_items_kind() -> None:
    capacitor = next(topic for topic in topics() if "Capacitors" in topic.leaves)
    film = (genres()["Comedy"], genres()["Children's"])
    for kind, kinds in (("product", (capacitor,)), ("film", film)):
        item = _item(kind, kinds)
        expected = {audience.who for topic in kinds for audience in topic.audiences}
        text = answer(item, "llama", random.Random(1))
        assert {line.split(". ")[1].split(":")[0] for line in text.split("\n")[1:4]} <= expected


def test_unknown_kind_uses_its_category() -> None:
    item = SyntheticItem({"title": "Zorvex Blim"}, "Zorvex Blim", "product", (), leaf="Glimmer Plates", noun="Blim")
    texts = [answer(item, "qwen", random.Random(seed)) for seed in range(10)]
    assert sum("Glimmer Plates" in text for text in texts) >= 8


def test_attributes_that_are_not_shown_are_not_mentioned() -> None:
    capacitor = next(topic for topic in topics() if "Capacitors" in topic.leaves)
    for name in STYLES:
        mentions = [template for template in style(name)["segments"] if "{brand}" in template]
        assert mentions
        text = answer(_item("product", (capacitor,)), name, random.Random(2))
        assert "{brand}" not in text and "  " not in text


@pytest.mark.parametrize(
    ("title", "kind", "name"),
    [
        ("Usual Suspects, The", "film", "The Usual Suspects"),
        ("Shanghai Triad (Yao a yao)", "film", "Shanghai Triad"),
        ("Acme SPP6 Hard Start Kit with 500% Torque.", "product", "Acme SPP6 Hard Start Kit"),
        ("Glass Beaker, 500 ml", "product", "Glass Beaker"),
        ("One two three four five six seven", "product", "One two three four five six"),
    ],
)
def test_short_name(title: str, kind: str, name: str) -> None:
    assert short_name(title, kind) == name


def _item(kind: str, kinds: tuple[Topic, ...]) -> SyntheticItem:
    return SyntheticItem({"title": "Velko Wonder"}, "Velko Wonder", kind, kinds, noun="Wonder")
