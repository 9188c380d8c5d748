"""The first run in a real browser: an empty workspace builds its demo, also over a crash, and the tour leads through it.

The demo is smaller here. Screenshots are kept in tests/artifacts.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from genair_engine import jobs, verbs
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace
from tests.browser.conftest import end_worker, serving, until
from tests.browser.test_browser_path import settled

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
ITEMS = 80
WITHIN = 240.0
"""Seconds that this demo may take on a busy machine."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty workspace. The worker that the app starts ends with the test."""
    monkeypatch.delenv("GENAIR_WORKER", raising=False)
    for name, value in {"DEMO_ITEMS": ITEMS, "THREADS": 1, "LEASE_SECONDS": 4}.items():
        monkeypatch.setenv(f"GENAIR_{name}", str(value))
    workspace = Workspace.open(Settings(workspace=tmp_path / "workspace", database_url=None))
    yield tmp_path
    for worker in jobs.jobs(workspace, jobs.JobsRequest()).workers:
        end_worker(worker.pid)
    workspace.close()


def test_an_empty_workspace_becomes_the_demo_and_the_tour_leads_through_it(folder: Path, page: Page) -> None:
    workspace = Workspace.open(Settings(workspace=folder / "workspace", database_url=None))

    def demo() -> jobs.JobRecord:
        (job,) = jobs.jobs(workspace, jobs.JobsRequest()).jobs
        return job

    def written() -> int:
        return sum(
            archetype_set.items
            for state in verbs.workspace_state(workspace).datasets
            for archetype_set in state.archetype_sets
        )

    with serving(folder / "workspace", folder) as url:
        page.goto(url)
        page.get_by_role("heading", level=1).wait_for()  # the first page of a fresh app takes its time
        settled(page, "GenAIR Studio")
        expect(page.get_by_text(f"Build the demo of {ITEMS} items")).to_be_visible()
        expect(page.get_by_role("heading", name="Guided tour")).to_be_visible(timeout=60_000)  # the catalogue is there
        page.screenshot(path=_artifact("home-building.png"), full_page=True)
        page.goto(f"{url}/items?dataset={verbs.DEMO}&q=sun+hat")  # its page works while the rest is being made
        settled(page, "Items")
        expect(page.get_by_text("Zutano Baby UPF 30+ Sun Protection Hat").first).to_be_attached()
        until(lambda: written() > 0, "no archetype was written", WITHIN)
    (worker,) = jobs.jobs(workspace, jobs.JobsRequest()).workers
    os.kill(worker.pid, signal.SIGKILL)  # the server has been stopped, and now the worker dies

    with serving(folder / "workspace", folder) as url:
        page.goto(url)
        page.get_by_role("heading", level=1).wait_for()
        settled(page, "GenAIR Studio")
        until(lambda: demo().state == "done", "the demo was not completed", WITHIN)
        assert (demo().attempts, written()) == (2, 2 * ITEMS)
        expect(page.get_by_text("8 models to recommend with")).to_be_visible()  # by itself, without a reload
        page.screenshot(path=_artifact("home.png"), full_page=True)

        tour = page.locator(".st-key-tour").get_by_role("link")
        addresses = [str(tour.nth(number).get_attribute("href")) for number in range(tour.count())]
        assert len(addresses) == 3
        for address in addresses:
            page.goto(address if "://" in address else f"{url}/{address.lstrip('/')}")
            title = re.split(r"[/?]", address.split("://")[-1].partition("/")[2] or address)[0].title()
            settled(page, title)
            expect(page.get_by_test_id("stAlert")).to_have_count(0)
            expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
            page.screenshot(path=_artifact(f"tour-{title.lower()}.png"), full_page=True)

        page.goto(next(f"{url}/{address.rpartition('/')[2]}" for address in addresses if "recommend" in address))
        settled(page, "Recommend")
        expect(page.locator("[class*='st-key-result_']").filter(has=page.get_by_text("score"))).to_have_count(20)
        page.goto(next(f"{url}/{address.rpartition('/')[2]}" for address in addresses if "archetypes" in address))
        settled(page, "Archetypes")
        expect(page.get_by_role("heading", name="Zutano Baby UPF 30+ Sun Protection Hat")).to_be_visible()
        for model in ("demo-llama", "demo-qwen"):
            expect(page.get_by_role("strong").filter(has_text=model).first).to_be_visible()
    workspace.close()


def _artifact(name: str) -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS / name
