"""Archetypes in their parts: the numbered audiences between opening and closing, and texts that have none."""

from __future__ import annotations

import pytest

from genair_engine.archetypes.segments import Segments, audience_name, audience_words, overlap, split_segments


def test_opening_audiences_and_closing() -> None:
    text = "The drill suits\nmany people:\n\n1. Makers: they build.\n2. Schools: they teach.\nAlso at night.\n\nIn short, all."
    assert split_segments(text) == Segments(
        "The drill suits\nmany people:", ("Makers: they build.", "Schools: they teach.\nAlso at night."), "In short, all."
    )


@pytest.mark.parametrize("marker", ["1. ", "1) ", "**1. ", "  1. ", "### 1. ", "1.\t"])
def test_ways_to_number(marker: str) -> None:
    assert split_segments(f"Opening\n{marker}First").audiences == ("First",)


@pytest.mark.parametrize("text", ["", "   \n", "No list at all.", "2. starts at two\n3. goes on", "1.5 litres fit in"])
def test_a_text_without_a_list_is_all_opening(text: str) -> None:
    assert split_segments(text) == Segments(text.strip(), (), "")


def test_numbers_out_of_order_belong_to_the_text() -> None:
    parts = split_segments("Opening\n1. First\n1. again\n7. seventh\n2. Second")
    assert parts.audiences == ("First\n1. again\n7. seventh", "Second")


def test_a_text_cut_off_in_its_list_has_no_closing() -> None:
    assert split_segments("1. First\n2. Sec") == Segments("", ("First", "Sec"), "")


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("**Home cooks**: they bake.", "Home cooks"),
        ("**Home Cooks:** they bake.", "Home Cooks"),
        ("Parents of small children – they need quiet.", "Parents of small children"),
        ("Do-it-yourselfers, who build", "Do-it-yourselfers"),
        ("People who run.", "People"),
        ("*Nurses*\nand others", "Nurses"),
        ("Students", "Students"),
        (": nobody", ""),
        ("", ""),
    ],
)
def test_the_name_of_an_audience(entry: str, name: str) -> None:
    assert audience_name(entry) == name


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("Home cooks", "the home cook", 1),
        ("Home cooks", "Busy home cooks", 2 / 3),
        ("Gun enthusiasts", "Mechanics enthusiasts", 1 / 3),
        ("Hobbies", "hobby", 1),
        ("Nurses", "Students", 0),
        ("", "", 0),
        ("of the", "of the", 0),
    ],
)
def test_how_much_two_names_have_in_common(first: str, second: str, share: float) -> None:
    assert overlap(audience_words(first), audience_words(second)) == pytest.approx(share)
    assert overlap(audience_words(second), audience_words(first)) == pytest.approx(share)
