"""Recommend in a real browser: a session, two models, reasons, a new item, an audience, and all of it from its link."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_browser_path import settled
from tests.workspaces import FilledWorkspace

pytestmark = pytest.mark.browser

MATCHES = {"optics": 2, "glass": 2}
METADATA = "title: Quick Test Meter\nbrand: Ohmly\ncategories: Electrical\ndescription: A meter for work with electrical."


def link(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def test_a_session_two_models_reasons_a_new_item_and_an_audience(
    page: Page, app_url: str, filled_workspace: FilledWorkspace
) -> None:
    page.goto(f"{app_url}/recommend?dataset=workshop")
    settled(page, "Recommend")
    add = page.locator("[class*='st-key-session_add_']")
    for place, words in ((1, "optics"), (2, "glass")):  # a session
        page.get_by_label("Search items to add").fill(words)
        expect(page.locator(".st-key-session_matches")).to_contain_text(re.compile(words, re.IGNORECASE))
        expect(add).to_have_count(MATCHES[words])
        add.first.locator("button").first.click()
        expect(page.locator(f".st-key-session_remove_{place - 1}")).to_be_visible()
    cards = page.locator("[class*='st-key-result_']").filter(has=page.get_by_text("score"))
    expect(cards).to_have_count(20)  # IDs beside GenAIR
    settled(page, "Recommend")
    for name in ("sasrec · id", "sasrec · genair"):
        expect(page.get_by_role("strong").filter(has_text=name)).to_be_visible()
    page.get_by_text("How ranks change between the models").click()
    expect(page.locator(".st-key-rank_changes")).to_be_visible()

    page.locator(".st-key-result_1_1").get_by_role("button", name="Why").click()  # reasons
    why = page.get_by_test_id("stPopoverBody").filter(has_text="Pushed by")
    expect(why).to_be_visible()
    expect(why.get_by_text("Audiences in common")).to_be_visible()
    expect(why.get_by_text(re.compile(r"^[12]\. "))).to_have_count(2)
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Filters").click()
    groups = page.get_by_test_id("stPopoverBody").filter(has_text="Popularity groups")
    groups.get_by_role("button", name="5 · most popular").click()
    expect(page.get_by_role("button", name="Filters (1 is set)")).to_be_visible()
    page.keyboard.press("Escape")
    expect(cards.first).to_contain_text("5 · most popular")
    expect(cards).not_to_have_count(20)
    assert all("5 · most popular" in text for text in cards.all_inner_texts()) and cards.count()

    page.get_by_role("radio", name="New item").click()  # a new item
    settled(page, "Recommend")
    metadata = page.get_by_role("textbox", name="Metadata of an item")
    metadata.fill(METADATA)
    metadata.blur()
    settled(page, "Recommend")  # on a busy machine the page may be drawn anew under a click that comes at once
    page.get_by_role("button", name="Write its archetype").click()
    expect(page.get_by_text("Nearest items of the catalogue")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Real sessions in which it ranks highest")).to_be_visible()
    settled(page, "Recommend")

    page.get_by_role("radio", name="Audience search").click()  # an audience
    field = page.get_by_label("Describe an audience")
    field.fill("electricians")
    field.press("Enter")
    audiences = page.locator("[class*='st-key-audience_']").filter(has=page.get_by_text("similarity"))
    expect(audiences.first).to_be_visible(timeout=60_000)
    settled(page, "Recommend")
    texts = audiences.get_by_text("similarity").all_inner_texts()

    asked = link(page)  # all of it from its link, as a colleague opens it
    assert asked["run"] == f"{filled_workspace.id_run},{filled_workspace.run}" and asked["view"] == "audience"
    assert asked["groups"] == "5" and asked["item_text"] == METADATA and len(asked["session"].split(",")) == 2
    colleague = page.context.browser.new_context().new_page()  # type: ignore[union-attr]
    colleague.goto(page.url)
    settled(colleague, "Recommend")
    expect(colleague.locator(".st-key-session_remove_1")).to_be_visible()
    same = colleague.locator("[class*='st-key-audience_']").filter(has=colleague.get_by_text("similarity"))
    expect(same).to_have_count(len(texts))
    assert same.get_by_text("similarity").all_inner_texts() == texts
    colleague.get_by_role("radio", name="New item").click()
    expect(colleague.get_by_text("Nearest items of the catalogue")).to_be_visible(timeout=60_000)
    colleague.get_by_role("radio", name="What comes next").click()
    lists = colleague.locator("[class*='st-key-result_']").filter(has=colleague.get_by_text("score"))
    expect(lists.first).to_contain_text("5 · most popular")
    colleague.context.close()
