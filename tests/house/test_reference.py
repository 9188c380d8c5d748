"""docs/cli.md and docs/json.md are what the verbs' types say today, and name every option and every key."""

from __future__ import annotations

import re

import pytest

from docs import generate
from genair_engine.cli import commands
from genair_engine.verbs.base import is_positional

TO_DO = "run `make docs` and look at what changed"


def sections(page: str) -> dict[str, str]:
    """{verb: its section}."""
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_pages_are_up_to_date() -> None:
    assert (generate.FOLDER / "cli.md").read_text(encoding="utf-8") == generate.options_page(), TO_DO
    assert (generate.FOLDER / "components.md").read_text(encoding="utf-8") == generate.components_page(), TO_DO
    assert (generate.FOLDER / "json.md").read_text(encoding="utf-8") == generate.keys_page(), TO_DO


@pytest.mark.parametrize("verb", commands().values(), ids=lambda verb: verb.name)
def test_every_option_and_every_key_has_its_line(verb) -> None:
    options = sections(generate.options_page())[verb.name]
    for name, field in verb.request.model_fields.items():
        if name != "sampling":  # its fields are options of their own
            option = name.upper() if is_positional(field) else f"--{name.replace('_', '-')}"
            assert f"| `{option}` |" in options
    keys = sections(generate.keys_page())[verb.name]
    if same := re.search(r"^As \[`(.+)`\]", keys, re.MULTILINE):
        keys = sections(generate.keys_page())[same[1]]
    for name in verb.result.model_fields:
        assert f"| `{name}` |" in keys


def test_keys_of_records_inside_of_a_result_stand_below_it() -> None:
    scores = sections(generate.keys_page())["score"]
    assert (
        "| `sets` | list of object | A set's scorecard." in scores
        and "| `sets[].measures.*.low` | number, or null |" in scores
    )
    assert "| `results` | as [`sweep`](#sweep) |" in sections(generate.keys_page())["demo"]
