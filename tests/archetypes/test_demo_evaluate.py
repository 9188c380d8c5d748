"""The verdict on a demo model's texts: what the corpus would answer passes, and each fault is found where it is."""

from __future__ import annotations

import random

import numpy as np
import pytest

from genair_engine.archetypes.backends import Completion
from genair_engine.archetypes.demo.corpus import shop_example
from genair_engine.archetypes.demo.evaluate import BARS, Verdict, judge, well_formed
from genair_engine.catalog.demo import demo_catalogue, sun_hat

GOOD = """\
Best users for it, a sun hat:
1. Parents and guardians: they care.
2. Grandparents: they spoil.
3. Dog owners: they walk."""
FAULTS = {"breaks off", "repeats a segment"}


def completion(text: str, finish: str = "eos") -> Completion:
    nothing = np.zeros(1, dtype=np.float32)
    return Completion(text, 1, 1, finish, 0.0, nothing, nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("style", ["llama", "qwen"])
def test_what_the_corpus_answers_passes(style: str) -> None:
    for item in demo_catalogue(users=10).items[:300]:
        pair = shop_example(item, style, random.Random(1))
        verdict = judge(item, pair.name, completion(pair.answer))
        assert {name for name, true in verdict.items() if not true} == FAULTS, pair.answer


@pytest.mark.parametrize(
    ("text", "finish", "changed"),
    [
        (GOOD, "eos", set()),
        (GOOD.replace("a sun hat", "a thing"), "eos", {"names the kind"}),
        (GOOD.replace("2. Grandparents", "2. Gamers"), "eos", {"names all audiences"}),
        (GOOD.replace("3. Dog owners", "3. Grandparents"), "eos", {"repeats a segment"}),
        (GOOD.removesuffix("walk."), "eos", {"breaks off", "well-formed list"}),
        (GOOD, "length", {"breaks off", "well-formed list"}),
        (GOOD.replace("they care.", "they ca"), "eos", {"breaks off", "well-formed list"}),
        (GOOD.replace("2. Grandparents: they spoil.", "2. Grandparents."), "eos", {"names all audiences", "well-formed list"}),
        (GOOD.replace("for it", "for that"), "eos", {"copies the name"}),
        (GOOD.replace("1. Parents and guardians", "1. Teachers"), "eos", {"names all audiences", "first segment is right"}),
    ],
)
def test_each_fault_is_found(text: str, finish: str, changed: set[str]) -> None:
    hat = sun_hat()
    meant = dict.fromkeys(["parents", "grandparents"])
    item = type(hat)(**{**vars(hat), "audiences": tuple(meant), "cues": ("", "")})
    good = judge(item, "it", completion(GOOD))
    assert {name for name, true in good.items() if true} == good.keys() - FAULTS
    now = judge(item, "it", completion(text, finish))
    assert {name for name in good if now[name] != good[name]} == changed


def test_two_segments_are_no_list() -> None:
    assert well_formed(completion(GOOD))
    assert not well_formed(completion(GOOD.rpartition("\n")[0]))
    assert not well_formed(completion(""))


def test_verdict_shows_the_bars() -> None:
    shares = dict.fromkeys(BARS, 0.5) | {"copies the name": 0.25}
    lines = Verdict(shares, archetypes=10, words=50.0, segments=3.0, seconds=1.0).lines()
    assert "at least 95%" in lines[1] and "at most 0%" in lines[3] and lines[-1].endswith("25.0%")
