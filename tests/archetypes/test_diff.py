"""Word-level differences of two texts."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.archetypes.diff import word_diff


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "for young parents",
            "for proud parents",
            [("same", "for"), ("removed", " young"), ("added", " proud"), ("same", " parents")],
        ),
        ("a b", "a b c", [("same", "a b"), ("added", " c")]),
        ("a  b\n", "a b", [("same", "a b"), ("removed", "\n")]),
        ("a b", "b", [("removed", "a "), ("same", "b")]),
        ("b", "a b", [("added", "a"), ("same", " b")]),
        ("", "a", [("added", "a")]),
        ("a", "", [("removed", "a")]),
        ("", "", []),
    ],
)
def test_planted_changes(old, new, expected):
    assert word_diff(old, new) == expected


TEXTS = st.lists(st.sampled_from(["a", "b", " ", "\n", "hat", "ق"])).map("".join)


@settings(max_examples=1000)
@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_from_it(old, new):
    pieces = word_diff(old, new)
    assert "".join(text for kind, text in pieces if kind != "removed") == new
    assert "".join(text for kind, text in pieces if kind != "added").split() == old.split()
    assert all(text for _, text in pieces)
    assert all(piece[0] != following[0] for piece, following in itertools.pairwise(pieces))


@given(TEXTS)
def test_a_text_is_the_same_as_itself(text):
    assert {kind for kind, _ in word_diff(text, text)} <= {"same"}
