"""Home, and what every page does without data."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ENTRY, OpenPage


@pytest.mark.parametrize("page", ["home", "items", "recommend", "archetypes"])
def test_an_empty_workspace_says_what_to_do(empty_app: OpenPage, page: str) -> None:
    shown = empty_app(page)
    assert "No catalogue yet" in [element.value for element in shown.subheader]
    assert shown.code[0].value == ".venv/bin/python -m genair_engine import PATH --name NAME"


def test_home_is_the_first_page(empty_app: OpenPage) -> None:
    assert AppTest.from_file(str(ENTRY), default_timeout=60).run().title[0].value == "GenAIR Studio"


def test_the_strip_tells_how_far_each_dataset_is(app: OpenPage) -> None:
    shown = app("home")
    captions = "\n".join(element.value for element in shown.caption).replace("\\", "").replace("\u2060", "")
    assert "18 items" in captions and "demo-llama: 18 of 18" in captions and "demo-qwen: 4 of 18" in captions
    assert "2 finished" in captions and "best test NDCG@10 among all items 0." in captions
    assert ": sasrec with genair, seed 42" in captions
    commands = [element.value for element in shown.code]
    assert len(commands) == 1 and "generate untouched --model demo-llama --limit 64" in commands[0]


def test_a_workspace_that_cannot_be_opened_is_told_and_not_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    empty_app: OpenPage,
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GENAIR_WORKSPACE", str(tmp_path / "file"))
    shown = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    assert not shown.exception
    assert "GENAIR\\_WORKSPACE" in shown.error[0].value
