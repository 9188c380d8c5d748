"""The way through the app in a real browser: Home, Items, a session with its top 10, archetypes side by side."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import until
from tests.workspaces import HOSTILE_ID, HOSTILE_TITLE, FilledWorkspace

pytestmark = pytest.mark.browser

IDLE = "() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'"


def settled(page: Page, heading: str) -> None:
    """The page has this title, its script has ended, and nothing went wrong."""
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    page.wait_for_function(IDLE)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_from_home_to_recommendations_and_archetypes(page: Page, app_url: str) -> None:
    page.goto(app_url)
    settled(page, "GenAIR Studio")
    page.locator(".st-key-dataset_workshop").get_by_role("link", name="Browse items").click()
    settled(page, "Items")
    expect(page).to_have_url(f"{app_url}/items?dataset=workshop")

    page.get_by_label("Search", exact=True).fill("glass")
    expect(page.get_by_text("2 items found")).to_be_visible()
    page.get_by_label("Look at an item of this page").click()
    page.get_by_role("option", name="Glassware").first.click()
    expect(page.get_by_role("heading", level=3, name="Glassware")).to_be_visible()
    page.get_by_role("button", name="Start a session with this").click()

    settled(page, "Recommend")
    cards = page.locator("[class*='st-key-result_']").filter(has=page.get_by_text("score"))
    expect(cards).to_have_count(20)
    expect(cards.first).to_contain_text("1")
    page.get_by_label("Search items to add").fill("optics")
    page.locator("[class*='st-key-session_add_'] button").first.click()
    expect(page.get_by_text("2. Optics")).to_be_visible()
    expect(cards).to_have_count(20)

    page.goto(f"{app_url}/archetypes?dataset=workshop&item=i1")
    settled(page, "Archetypes")
    heads = [page.get_by_role("strong").filter(has_text=model).first for model in ("demo-llama", "demo-qwen")]
    for head in heads:
        expect(head).to_be_visible()

    def beside() -> bool:
        left, right = (head.bounding_box() for head in heads)
        return bool(left and right and left["y"] == right["y"] and left["x"] < right["x"])

    until(beside, "the two models' texts do not stand side by side", within=30.0)


def test_a_click_on_a_row_chooses_the_item(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/items?dataset=workshop&q=adhesives&item=i0")
    settled(page, "Items")
    page.get_by_test_id("stDataFrame").locator(".dvn-scroller").click(position={"x": 18, "y": 52})
    expect(page.get_by_role("heading", level=3, name="Adhesives")).to_be_visible()
    settled(page, "Items")
    assert "item=i0" not in page.url


def test_foreign_text_is_never_markup(page: Page, app_url: str, filled_workspace: FilledWorkspace) -> None:
    title = " ".join(HOSTILE_TITLE.split())
    for path in ("items?q=bold&", "archetypes?", f"recommend?run={filled_workspace.run}&session={HOSTILE_ID}&"):
        page.goto(f"{app_url}/{path}dataset=workshop&item={HOSTILE_ID}")
        settled(page, path.split("?")[0].title())
        main = page.get_by_test_id("stMain")
        assert title[:45] in main.inner_text().replace("\u2060", "")
        for selector in ("script", "a[href*='e.example']", "img[src*='e.example']", ".katex", "main strong:text('bold')"):
            assert main.locator(selector).count() == 0, (path, selector)
    heading = page.goto(f"{app_url}/items?dataset=workshop&item={HOSTILE_ID}") and page.get_by_role("heading", level=3).first
    expect(heading).to_be_visible()
    assert heading.inner_text().replace("\u2060", "") == title


@pytest.mark.parametrize("path", ["", "items", "recommend?session=i1,i2", "archetypes", "embeddings", "training", "jobs"])
def test_a_phone_needs_no_sideways_scrolling(phone: Page, app_url: str, path: str) -> None:
    phone.goto(f"{app_url}/{path}")
    settled(phone, path.split("?")[0].title() or "GenAIR Studio")
    for area in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
        assert phone.evaluate(f"{area}.scrollWidth <= {area}.clientWidth")


def test_every_page_answers_the_agent_api(app_url: str) -> None:
    def ask(body: dict[str, Any]) -> dict[str, Any]:
        address, data = f"{app_url}/_stcore/agent/interact", json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=60))

    def kinds(node: dict[str, Any]) -> list[str]:
        return [node.get("type", ""), *(kind for child in node.get("children", []) for kind in kinds(child))]

    pages = ask({})["pages"]
    assert [entry["title"] for entry in pages] == [
        "Home",
        "Items",
        "Recommend",
        "Archetypes",
        "Embeddings",
        "Training",
        "Jobs",
    ]
    for entry in pages:
        answer = ask({"page": entry["url_path"]} if entry["url_path"] else {})
        assert answer["status"] == "ready"
        assert "exception" not in kinds(answer["tree"]) and "title" in kinds(answer["tree"])
