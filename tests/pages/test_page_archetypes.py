"""Archetypes: texts side by side with their provenance, choosing an item, and items without a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from genair_engine import verbs
from genair_engine.store.datasets import find_item
from genair_engine.store.tables import TextRow, TextSetRow, utc_now
from genair_engine.store.texts import list_sets, settle_failures, texts_of_item
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


def test_an_item_without_a_text_offers_to_write_one(app: OpenPage) -> None:
    shown = app("archetypes", dataset="untouched", item="i1")
    assert {"Write with demo\\-llama", "Write with demo\\-qwen"} <= {button.label for button in shown.button}
    shown = check(shown.button(key="to_catalogue").click().run())
    assert shown.query_params["view"] == "catalogue" and "**Generate for the whole catalogue**" in values(shown.markdown)


def test_chips_define_their_measures(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item="i1")
    chips = [element for element in shown.markdown if re.search("Grounding|Segments", element.value)]
    assert len(chips) == 4
    assert all("metadata hold" in chip.help or "How many audiences" in chip.help for chip in chips)
    assert shown.button(key="measure").label == "Measure specificity, novelty and diversity"


def test_measured_scores_are_shown(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    verbs.score(filled_copy, verbs.ScoreRequest(dataset="workshop"))
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    chips = " ".join(values(shown.markdown))
    assert all(f"{name} 0." in chips for name in ("Specificity", "Novelty", "Diversity"))
    assert not any(button.key == "measure" for button in shown.button)


def test_unsupported_terms_are_marked_and_say_why(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    write(filled_copy, "i1", "For **90** people.\n1. Buyers of 77 <script>alert(1)</script> :red[tools]: they like it.")
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    texts = values(shown.markdown)
    assert "For \\*\\*:orange-background[90¹]\\*\\* people\\." in texts
    (audience,) = [text for text in texts if "Buyers of" in text]
    assert ":orange-background[77²]" in audience and "\\<script\\>" in audience and ":red[" not in audience
    reasons = next(element.value for element in shown.caption if "¹" in element.value)
    assert "90" in reasons and "² " in reasons and "metadata" in reasons


def test_the_pinned_version_is_marked_and_can_be_let_go(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    shown = check(shown.button(key="pin_demo-qwen").click().run())
    (pin,) = verbs.pin(filled_copy, verbs.PinRequest(dataset="workshop")).pins
    assert (pin.item, pin.model) == ("i1", "demo-qwen")
    assert shown.button(key="pin_demo-qwen").label == "Unpin" and any("pinned" in value for value in values(shown.markdown))
    check(shown.button(key="pin_demo-qwen").click().run())
    assert verbs.pin(filled_copy, verbs.PinRequest(dataset="workshop")).pins == []


def test_failed_items_say_why(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    reason = "The prompt of item 'i9' has 900 tokens <b>too many</b>."
    with filled_copy.session() as session:
        sets = {row.model: row.id for row, _ in list_sets(session, filled_copy.dataset_row("workshop").id)}
        position = filled_copy.load_dataset("workshop").items["item_id"].tolist().index("i9") + 1
        settle_failures(session, sets["demo-qwen"], {position: reason}, [])
    shown = jobs_app("archetypes", dataset="workshop", item="i9")
    assert reason in values(shown.text)
    assert any("**demo\\-qwen** could not write" in value for value in values(shown.markdown))
    shown = jobs_app("archetypes", dataset="workshop", view="catalogue")
    (table,) = [frame.value for frame in shown.dataframe if "Reason" in frame.value]
    assert table["Reason"].tolist() == [reason] and table["Id"].tolist() == ["i9"]


def test_models_are_chosen_in_the_url(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    copy_sets(filled_copy, ["third", "fourth", "fifth"])
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    picker = shown.multiselect(key="studio_models_workshop")
    assert len(picker.value) == 4 and len(picker.options) == 5
    shown = check(picker.set_value(["fifth", "demo-qwen"]).run())
    assert shown.query_params["models"] == "fifth,demo-qwen"
    texts = values(shown.markdown)
    assert texts.index("**fifth**") < texts.index("**demo\\-qwen**") and "**demo\\-llama**" not in texts


def values(elements: Iterable[Any]) -> list[str]:
    return [element.value for element in elements]


def write(workspace: Workspace, item: str, text: str) -> None:
    """Replaces what demo-llama wrote about an item."""
    with workspace.session() as session:
        owner = workspace.dataset_row("workshop")
        position = find_item(session, owner, item).position
        (row,) = [text for of, text in texts_of_item(session, owner.id, position) if of.model == "demo-llama"]
        row.text = text


def copy_sets(workspace: Workspace, models: list[str]) -> None:
    """Item i1 as other models would have written it."""
    with workspace.session() as session:
        owner = workspace.dataset_row("workshop")
        position = find_item(session, owner, "i1").position
        of, text = texts_of_item(session, owner.id, position)[0]
        for model in models:
            facts = {name: getattr(of, name) for name in of.__mapper__.columns.keys()}  # noqa: SIM118 - not a dict
            session.add(TextSetRow(**facts | {"id": model, "key": model, "model": model, "created_at": utc_now()}))
            session.flush()
            facts = {name: getattr(text, name) for name in text.__mapper__.columns.keys()}  # noqa: SIM118
            session.add(TextRow(**facts | {"id": None, "set_id": model, "created_at": utc_now()}))


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
    assert any("Gardeners in wide hats" in value for value in values(shown.markdown))
    assert "Read by: demo-llama" in values(shown.text)
