"""The embedding space in a real browser: three panels, a cluster by lasso, its items as a session; on the demo's scale and on
real data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from genair_engine import verbs
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace
from tests.browser.conftest import serving
from tests.browser.test_browser_path import settled

pytestmark = pytest.mark.browser

WITHIN = 90_000
"""Milliseconds that drawing or computing may take on a busy machine."""
SMALL = {"method": "id", "loss": "sampled", "dim": 16, "layers": 1, "epochs": 1, "max_len": 20, "device": "cpu"}
INNER = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.25, 0.25))
WHOLE = ((0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.01))
"""Corners of a lasso, in shares of a panel's width and height."""


@pytest.fixture(scope="module")
def scientific_url(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on amazon-scientific with a short run of each backbone."""
    folder = tmp_path_factory.mktemp("scientific")
    workspace = Workspace.open(Settings(workspace=folder / "workspace", database_url=None))
    verbs.import_dataset(workspace, verbs.ImportRequest(path=shared_data / "amazon-scientific", name="scientific"))
    for backbone in ("sasrec", "gru4rec", "bert4rec"):
        verbs.train(workspace, verbs.TrainRequest(dataset="scientific", backbone=backbone, **SMALL))
    workspace.close()
    with serving(folder / "workspace", folder) as url:
        yield url


def visit(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("heading", level=1, name="Embeddings").wait_for(timeout=WITHIN)
    settled(page, "Embeddings")
    for place in range(3):
        expect(page.locator(f".st-key-panel_{place} .main-svg").first).to_be_visible(timeout=WITHIN)


def lasso(page: Page, panel: str, corners: tuple[tuple[float, float], ...]) -> int:
    """Draws around points of a panel and returns how many items the page says are selected."""
    plot = page.locator(f".st-key-{panel} .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    heading = page.get_by_role("heading", level=3, name="items selected")
    expect(heading).to_be_visible(timeout=WITHIN)
    settled(page, "Embeddings")
    return int(heading.inner_text().split()[0].replace(",", ""))


def test_a_cluster_becomes_a_session(page: Page, app_url: str) -> None:
    visit(page, f"{app_url}/embeddings?dataset=workshop&groups=1,2,3,4,5")
    assert page.locator(".st-key-panel_0 .scatterlayer .point").count() == 18
    pills = page.locator(".st-key-groups_pills")
    pills.evaluate("element => element.dataset.marked = 'yes'")
    assert lasso(page, "panel_1", WHOLE) == 18
    assert (
        page.evaluate("document.querySelector('.st-key-groups_pills').dataset.marked") == "yes"
    )  # only its part was drawn anew
    for place in (0, 1, 2):
        expect(page.locator(f".st-key-panel_{place} .scatterlayer .point")).to_have_count(
            36, timeout=WITHIN
        )  # with their rings
    assert "selected=i" in page.url

    page.get_by_role("link", name="Start a session with 18").click()
    settled(page, "Recommend")
    assert "session=i" in page.url
    expect(page.locator("[class*='st-key-session_remove_']")).to_have_count(18, timeout=WITHIN)


def test_three_panels_of_real_data(page: Page, scientific_url: str) -> None:
    visit(page, f"{scientific_url}/embeddings?dataset=scientific&groups=1,2,3,4,5")
    expect(page.locator(".st-key-panel_0 canvas").first).to_be_attached(timeout=WITHIN)  # WebGL: 4,344 points
    chosen = lasso(page, "panel_0", INNER)
    assert 50 < chosen < 4344
    page.get_by_role("link", name="Start a session with 50").click()
    page.get_by_role("heading", level=1, name="Recommend").wait_for(timeout=WITHIN)
    settled(page, "Recommend")
    cards = page.locator("[class*='st-key-result_']").filter(has=page.get_by_text("score"))
    expect(cards).to_have_count(10, timeout=WITHIN)
