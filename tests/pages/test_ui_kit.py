"""The UI kit's pure parts: text that is no Markdown, ids in a URL, and the palette."""

from __future__ import annotations

import tomllib
from itertools import pairwise

import pytest

from app.ui import popularity, state
from app.ui.text import count, one_line, plain
from tests.pages.conftest import ENTRY
from tests.workspaces import HOSTILE_TITLE


@pytest.mark.parametrize("text", ["", "plain words, only: these", "a\nb", HOSTILE_TITLE, "1. x", "# x", "- x", "é 日本 ™"])
def test_plain_loses_nothing_but_line_breaks(text: str) -> None:
    escaped = plain(text)
    assert "\n" not in escaped
    shown, letters = [], iter(escaped.replace("\u2060", ""))
    for letter in letters:
        shown.append(next(letters) if letter == "\\" else letter)
    assert "".join(shown) == " ".join(text.split())


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "b"], ["a,b", "50%", "%2C", "ü/&?"]])
def test_ids_go_through_a_url_parameter(ids: list[str]) -> None:
    assert state.separated(state.joined(ids)) == ids


def test_one_line_cuts_at_a_word() -> None:
    assert one_line("a  b\nc") == "a b c"
    assert one_line("some longer words", 12) == "some longer…"
    assert one_line("x" * 20, 10) == "x" * 9 + "…"


def test_counts() -> None:
    assert [count(1, "item"), count(1682, "item"), count(2, "match", "matches")] == ["1 item", "1,682 items", "2 matches"]


def luminance(colour: str) -> float:
    values = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_palette_can_be_told_apart(mode: str) -> None:
    theme = tomllib.loads((ENTRY.parent / ".streamlit" / "config.toml").read_text())["theme"][mode]
    colours = {"light": popularity.LIGHT, "dark": popularity.DARK}[mode]
    assert list(colours) == theme["chartCategoricalColors"]
    background = luminance(theme["backgroundColor"])
    lightness = [luminance(colour) for colour in colours]
    for value in lightness:
        assert (max(value, background) + 0.05) / (min(value, background) + 0.05) >= 3
    assert all(darker < lighter for darker, lighter in pairwise(lightness))
