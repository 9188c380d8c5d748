"""Marks inside foreign text: every character stays, none of it becomes Markdown, and marks are where claims are."""

from __future__ import annotations

import re

import pytest

from app.ui.studio import marked
from genair_engine import verbs
from tests.workspaces import HOSTILE_TITLE

OURS = re.compile(r"(?<!\\):(?:orange|green|red)-background\[|(?<!\\)\*\*|(?<!\\)~~|(?<!\\)\]|[⁰¹²³⁴⁵⁶⁷⁸⁹]")


def claim(text: str, term: str, reason: str = "not in the metadata") -> verbs.MarkedClaim:
    start = text.index(term)
    return verbs.MarkedClaim(start=start, end=start + len(term), term=term, kind="material", supported=False, reason=reason)


def shown(markdown: str) -> str:
    """What a reader sees of it, without our marks."""
    return re.sub(r"\\(.)", r"\1", OURS.sub("", markdown).replace("\u2060", ""))


def test_a_claim_is_marked_and_numbered_in_its_part() -> None:
    text = "A hat.\n1. Parents: made of breathable cotton.\n2. Gift buyers: of breathable cotton,  too."
    claims = [claim(text, "breathable cotton"), claim(text, "cotton,  too")]
    opening, first, second = marked.parts(
        text, ["A hat.", "Parents: made of breathable cotton.", "Gift buyers: of breathable cotton,  too."], claims
    )
    assert opening == r"A hat\."
    assert first == r"Parents\: made of :orange-background[breathable cotton¹]\."
    assert second.endswith(r"of breathable :orange-background[cotton\, too²]\.")


@pytest.mark.parametrize("term", ["](x)", "**bold**", "<script>", ":red[x]", "$a^2$", "x] :red[", "\\", "`"])
def test_a_mark_cannot_be_left_by_what_it_holds(term: str) -> None:
    text = f"Before {term} after {HOSTILE_TITLE}"
    (part,) = marked.parts(text, [text], [claim(text, term)])
    assert shown(part) == " ".join(text.split())
    assert len(re.findall(r"(?<!\\):orange-background\[", part)) == 1
    assert re.search(r"(?<!\\)(?:\\\\)*[<$`]", part) is None
    inside = part[part.index("[") + 1 : part.index("¹]")]
    assert shown(inside) == term


@pytest.mark.parametrize(
    "text",
    ["", " ", "one line", "two\nlines", "a paragraph\n\nand another", "- no list\n1. nor this\n# nor that\n    nor code"],
)
def test_lines_stay_lines(text: str) -> None:
    (part,) = marked.parts(text, [text], [])
    lines = [" ".join(line.split()) for line in text.strip().split("\n")]
    assert [shown(line).strip() for line in part.split("\n")] == lines
    assert not re.search(r"(?m)^(?:-|\d+\.|#|    )", part)


def test_parts_are_found_in_spite_of_white_space() -> None:
    text = "Intro\r\nstill intro\r\n1. First\r\none\r\n2. Second"
    claims = [claim(text, "one")]
    intro, first, second = marked.parts(text, ["Intro\nstill intro", "First\none", "Second"], claims)
    assert "orange" not in intro + second and first.endswith(":orange-background[one¹]")


def test_a_difference_shows_both_texts() -> None:
    old, new = "A hat of **cotton** for\nbabies", "A hat of wool, for ](http://e.example)\nbabies"
    difference = marked.difference(old, new)
    assert r":red-background[~~\*\*cotton\*\*~~]" in difference
    assert r":green-background[**wool\,**]" in difference
    kept = re.sub(r":red-background\[.*?~~\]", "", difference)
    assert " ".join(shown(kept).split()) == " ".join(new.split())
    assert marked.difference(old, old).count("background[") == 0
