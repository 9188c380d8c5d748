"""A page is added as CONTRIBUTING says, by one file and one line, and the app shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.synthetic import write_lcrec
from tests.house.copies import ROOT, Addition, addition, copy_with, run_in, with_entry

OPEN = """
import json, sys
from streamlit.testing.v1 import AppTest

app = AppTest.from_file("app/Home.py", default_timeout=120).run()
app.switch_page("../" + sys.argv[1]).run()
shown = [element.value for element in [*app.title, *app.caption, *app.text]]
print(json.dumps({"shown": shown, "errors": [element.value for element in [*app.exception, *app.error]]}))
"""

RULES = """
from tests.pages.test_page_imports import ROOT, test_only_verbs_and_errors as rule

[cases] = [mark.args[1] for mark in rule.pytestmark]
for path in cases:
    rule(path)
    print(path.relative_to(ROOT).as_posix())
"""
"""Asks the rules of all pages that the copy's test is about, and tells which they were."""


@pytest.fixture(scope="module")
def page() -> Addition:
    return addition("A page")


@pytest.fixture(scope="module")
def copy(page: Addition, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_with(page, tmp_path_factory.mktemp("copy"))


def test_navigation_lists_it_last(page: Addition, copy: Path) -> None:
    listed = "from app.ui import navigation; print(*(page.path for page in navigation.PAGES))"
    before, after = run_in(ROOT, "-c", listed).split(), run_in(copy, "-c", listed).split()
    assert after == [*before, f"../{page.path}"]


def test_app_draws_it(page: Addition, copy: Path, tiny: Dataset) -> None:
    (copy / "shop").mkdir()
    write_lcrec(tiny, copy / "shop")
    run_in(copy, "-m", "genair_engine", "import", "shop", "--name", "shop")
    answer = json.loads(run_in(copy, "-c", OPEN, page.path).splitlines()[-1])
    assert answer["errors"] == []
    assert "Hello" in answer["shown"] and "shop: 12 items" in answer["shown"]


def test_rules_of_pages_are_asked_of_it(page: Addition, copy: Path) -> None:
    assert page.path in run_in(copy, "-c", RULES).split()


def test_a_file_that_is_there_is_not_written_over(page: Addition, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="there already"):
        copy_with(replace(page, path="pages/home.py"), tmp_path)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("A = 1\nNAMES = (\n    'a',\n)\n", "A = 1\nNAMES = (\n    'a',\n    'b',\n)\n"),
        ("NAMES: list[str] = ['ä']  # names\n", "NAMES: list[str] = ['ä',\n    'b',\n]  # names\n"),
        ("NAMES = []\n", "NAMES = [\n    'b',\n]\n"),
    ],
)
def test_an_entry_goes_to_the_end_of_a_collection(module: str, expected: str) -> None:
    assert with_entry(module, "NAMES", "'b',") == expected
