"""A reader is added as CONTRIBUTING says, by one file and one line, and everything that reads data sets knows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.house.copies import ROOT, addition, copy_with, run_in


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_with(addition("A reader"), tmp_path_factory.mktemp("copy"))
    (folder / "mine").mkdir()
    (folder / "mine" / "shop.baskets").write_text("ann;b1;b2\nbob;b2;b2\n;b1\n")
    return folder


@pytest.mark.parametrize("verb", ["import", "preview"])
def test_the_command_line_shows_it_with_its_options(copy: Path, verb: str) -> None:
    before, after = (" ".join(run_in(folder, "-m", "genair_engine", verb, "--help").split()) for folder in (ROOT, copy))
    assert "baskets" not in before
    assert "baskets (NAME.baskets)" in after
    assert "--between BETWEEN for baskets: what stands between the ids of a line (default: ,)" in after


def test_it_is_detected_and_imported_with_its_option(copy: Path) -> None:
    arguments = ("import", "mine", "--name", "mine", "--between", ";", "--json")
    result = json.loads(run_in(copy, "-m", "genair_engine", *arguments))
    assert (result["format"], result["users"], result["items"], result["interactions"]) == ("baskets", 2, 2, 4)
    assert [(record["file"], record["line"], record["reason"]) for record in result["rejections"]] == [
        ("shop.baskets", 3, "empty user id (column 'user')")
    ]


def test_it_is_previewed(copy: Path) -> None:
    result = json.loads(run_in(copy, "-m", "genair_engine", "preview", "mine", "--between", ";", "--json"))
    assert (result["format"], result["tables"][0]["columns"]) == ("baskets", {"user": "user", "item": "item"})
    assert result["tables"][0]["rows"][0] == {"user": "ann", "item": "b1"}


def test_it_is_asked_what_every_reader_is_asked(copy: Path) -> None:
    contract = "tests/catalog/test_readers_contract.py"
    assert "9 passed" in run_in(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", contract, "-k", "baskets")
