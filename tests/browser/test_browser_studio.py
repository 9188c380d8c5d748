"""The archetype studio in a real browser, on the demo's sun hat: compare, regenerate, prompt, blind vote, what if, export."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from genair_engine import verbs
from genair_engine.catalog.demo import demo_catalogue, write_catalogue
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace
from tests.browser.conftest import serving
from tests.workspaces import DATASET, FilledWorkspace

pytestmark = pytest.mark.browser

SUN_HAT = {"dataset": verbs.DEMO, "item": verbs.SUN_HAT}
IDLE = "() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'"
HOSTILE = (
    "For 99 ](http://e.example) <script>alert(1)</script> :red[people] $a^2$.\n"
    "1. **All** of the 77 {noun} www.e.example -> :tada:"
)


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Language models and other tests share the cores with the page."""
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def studio(
    filled_workspace: FilledWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Workspace]]:
    """The app on a copy of the filled workspace to which the demo's sun hat was added, and the workspace."""
    monkeypatch.setenv("GENAIR_WORKER", "none")
    shutil.copytree(filled_workspace.folder, tmp_path / "copy")
    workspace = Workspace.open(Settings(workspace=tmp_path / "copy", database_url=None))
    write_catalogue(demo_catalogue(items=26, users=104), tmp_path / "shop")
    verbs.import_dataset(workspace, verbs.ImportRequest(path=tmp_path / "shop", name=verbs.DEMO, format="tables"))
    for model in ("demo-llama", "demo-qwen"):
        sampling = verbs.Sampling(max_new_tokens=120)
        verbs.regenerate(workspace, verbs.RegenerateRequest(**SUN_HAT, model=model, sampling=sampling))
    with serving(tmp_path / "copy", tmp_path) as url:
        yield url, workspace
    workspace.close()


def settled(page: Page) -> None:
    """The script has ended, and nothing went wrong."""
    page.wait_for_function(IDLE)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def opened(page: Page, url: str, **query: str) -> None:
    asked = "&".join(f"{name}={value}" for name, value in {"dataset": DATASET, "item": "i1", **query}.items())
    page.set_default_timeout(60_000)
    page.goto(f"{url}/archetypes?{asked}", wait_until="commit")
    page.get_by_role("heading", level=1, name="Archetypes").wait_for()
    settled(page)


def test_from_two_texts_to_a_vote(page: Page, studio: tuple[str, Workspace]) -> None:
    url, workspace = studio
    opened(page, url, **SUN_HAT)
    expect(page.get_by_role("heading", level=3, name="Sun Protection Hat")).to_be_visible()
    for model in ("demo-llama", "demo-qwen"):
        expect(page.locator("strong").get_by_text(model, exact=True).first).to_be_visible()
    expect(page.locator("[class*=st-key-chips_]").filter(has_text="Grounding")).to_have_count(2)

    # Regenerate the right one: tokens stream into its column, the old version stays, the diff shows what changed.
    page.evaluate("""() => {
        window.seen = new Set();
        new MutationObserver(() => {
            const place = document.querySelector('.st-key-writing');
            if (place) window.seen.add(place.innerText.length);
        }).observe(document.body, {childList: true, subtree: true, characterData: true});
    }""")
    page.locator(".st-key-regenerate_demo-qwen button").first.click()
    page.locator(".st-key-write_compare_demo-qwen_start button").first.click()
    expect(page.get_by_text("History · 2 versions")).to_be_visible(timeout=120_000)
    settled(page)
    assert len(page.evaluate("() => [...window.seen]")) > 3, "the text did not grow"
    expect(page).to_have_url(re.compile("versions="))
    difference = page.locator(".st-key-diff_demo-qwen")
    expect(difference.locator("del").first).to_be_visible()
    expect(difference.locator("strong").first).to_be_visible()
    versions = [
        archetype
        for archetype in verbs.item_detail(workspace, verbs.DEMO, verbs.SUN_HAT).archetypes
        if archetype.model == "demo-qwen"
    ]
    assert len(versions) == 2
    shown_text = page.locator(f".st-key-text_{versions[1].archetypes}").inner_text().replace("\u2060", "")
    assert "".join(versions[1].opening.split())[:60] in "".join(shown_text.split())
    page.locator(".st-key-pin_demo-qwen button").first.click()
    expect(page.locator(".st-key-pin_demo-qwen").get_by_text("Unpin").first).to_be_visible()
    assert verbs.item_detail(workspace, verbs.DEMO, verbs.SUN_HAT).pinned == versions[1].archetypes

    # Export what is known of the item.
    with page.expect_download() as kept:
        page.locator(".st-key-export_json button").first.click()
    exported = json.loads(Path(kept.value.path()).read_text())
    assert [archetype["text"] for archetype in exported["archetypes"] if archetype["model"] == "demo-qwen"] == [
        archetype.text for archetype in versions
    ]
    assert exported["pinned"] == versions[1].archetypes
    with page.expect_download() as kept:
        page.locator(".st-key-export_csv button").first.click()
    assert "demo-qwen" in Path(kept.value.path()).read_text(encoding="utf-8-sig")

    # Edit the template and save it as a new version.
    page.get_by_role("radio", name="Prompt").click()
    expect(page.get_by_text("The prompt of this item")).to_be_visible()
    page.get_by_label("Question", exact=True).fill("Who would take this {noun} on a journey?")
    page.get_by_label("Question", exact=True).press("Control+Enter")
    expect(page.locator(".st-key-prompt_preview").get_by_text("Who would take this item on a journey?")).to_be_visible()
    page.get_by_label("Save under the name").fill("journey")
    page.keyboard.press("Enter")
    settled(page)
    page.get_by_role("button", name="Save as a new version").click()
    expect(page).to_have_url(re.compile("prompt=journey-"))
    assert verbs.list_prompts(workspace, verbs.PromptsRequest()).prompts[1].name == "journey"

    # Vote blind: no name before, all names after.
    page.get_by_role("radio", name="Rate blind").click()
    expect(page.get_by_text("Text A").first).to_be_visible()
    settled(page)
    assert "demo-" not in page.get_by_test_id("stMain").inner_text()
    page.locator("[class*=_best] button").first.click()
    settled(page)
    page.get_by_role("button", name="Vote", exact=True).click()
    expect(page.get_by_test_id("stAlert").get_by_text("Your vote is kept")).to_contain_text("demo-llama")
    expect(page.get_by_text("Which model's archetypes people prefer")).to_be_visible()
    (vote,) = verbs.ratings(workspace, verbs.RatingsRequest(dataset=verbs.DEMO)).recent
    assert vote.blind and vote.winner in vote.sets


def test_an_edited_archetype_changes_recommendations(page: Page, studio: tuple[str, Workspace]) -> None:
    url, _ = studio
    opened(page, url, view="what-if")
    field = page.get_by_label("Archetype", exact=True)
    field.fill(HOSTILE)
    field.press("Control+Enter")
    changes = page.locator(".st-key-what_if_diff")
    expect(changes.locator("strong").first).to_be_visible()
    settled(page)
    shown = changes.inner_text().replace("\u2060", "")
    for piece in ("](http://e.example)", "<script>alert(1)</script>", ":red[people]", "$a^2$", "**All**", "{noun}", ":tada:"):
        assert piece in shown, (piece, shown)
    for selector in ("script", "a", "img", ".katex"):
        assert changes.locator(selector).count() == 0, selector
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_test_id("stMetric")).to_have_count(3)
    settled(page)


@pytest.mark.parametrize("view", ["compare", "rate", "prompt", "what-if", "catalogue"])
def test_a_phone_needs_no_sideways_scrolling(phone: Page, app_url: str, view: str) -> None:
    opened(phone, app_url, view=view)
    for area in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
        assert phone.evaluate(f"{area}.scrollWidth <= {area}.clientWidth")
