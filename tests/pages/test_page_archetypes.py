"""Archetypes: texts side by side with their provenance, choosing an item, and items without a text."""

from __future__ import annotations

from genair_engine import verbs
from genair_engine.workspace import Workspace
from tests.pages.conftest import OpenPage, check
from tests.workspaces import HOSTILE_ID, HOSTILE_TITLE


def test_two_texts_side_by_side_with_provenance(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item="i1")
    names = [element.value.replace("\\", "").replace("\u2060", "") for element in shown.markdown]
    assert "**demo-llama**" in names and "**demo-qwen**" in names
    assert sum("demo-badge" in name or "orange-badge" in name for name in names) == 2
    facts = [element.value for element in shown.text]
    assert "Sampling: greedy" in facts and "Model: demo-qwen" in facts
    assert len(shown.columns) >= 2


def test_without_an_item_the_one_with_most_texts_is_shown(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop")
    assert shown.query_params["item"] in {"i0", "i1", "i2", "i3"}


def test_finding_another_item(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item="i1")
    shown = check(shown.text_input(key="picker_text").set_value("optics").run())
    assert shown.selectbox(key="picker_item").value is None
    chosen = "i6"
    shown = check(shown.selectbox(key="picker_item").select(chosen).run())
    assert shown.query_params["item"] == chosen
    shown = check(shown.text_input(key="picker_text").set_value("zzz").run())
    assert "Nothing matches." in [element.value for element in shown.text]


def test_an_item_without_a_text_says_how_to_get_one(app: OpenPage) -> None:
    shown = app("archetypes", dataset="untouched", item="i1")
    assert "generate untouched --model demo-qwen" in shown.code[0].value


def test_an_unknown_item_is_named(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item="nothing")
    assert "does not exist" in shown.warning[0].value


def test_a_hostile_title_stays_text(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item=HOSTILE_ID)
    assert " ".join(HOSTILE_TITLE.split()) in [element.value for element in shown.text]
    assert all("<script>" not in element.value for element in shown.subheader)


def test_a_text_that_a_person_wrote(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    """It has no temperature and no seed: the page says who read it."""
    request = verbs.EmbedRequest(dataset="workshop", model="demo-llama", text={"i1": "Gardeners in wide hats."}, device="cpu")
    verbs.embed(filled_copy, request)
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    values = [element.value for element in shown.text]
    assert any("Gardeners in wide hats." in value for value in values) and "Read by: demo-llama" in values
