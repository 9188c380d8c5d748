"""Training in a real browser: two runs from the form, curves that move, cancelling, resuming, and both runs compared.

The worker is the one that the app starts by itself; it and its jobs are ended with the test.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, TimeoutError, expect

from genair_engine import jobs, verbs
from genair_engine.jobs.worker import Worker
from genair_engine.settings import Settings
from genair_engine.store.metrics import load_metrics, save_metrics
from genair_engine.store.tables import RunRow
from genair_engine.workspace import Workspace
from tests.browser.conftest import end_worker, press, serving, until
from tests.browser.test_browser_path import settled
from tests.jobs.conftest import Scripted
from tests.workspaces import DATASET, FilledWorkspace

pytestmark = pytest.mark.browser

WITHIN = 90.0
"""Seconds that a run may take to begin, to stop or to complete an epoch on a busy machine."""
NEVER_ENDING = 100_000


@dataclass(frozen=True)
class Studio:
    """The app's address and its workspace."""

    url: str
    workspace: Workspace

    def job(self, method: str) -> jobs.JobRecord:
        training_jobs = jobs.jobs(self.workspace, jobs.JobsRequest(kinds=["train"])).jobs
        return next(job for job in training_jobs if job.config.get("method", "genair") == method)

    def state(self, method: str) -> str:
        try:
            return self.job(method).state
        except StopIteration:
            return "not launched"

    def epochs(self, method: str) -> int:
        runs = self.job(method).runs if self.state(method) != "not launched" else []
        return len(verbs.run_epochs(self.workspace, runs)[runs[-1]]) if runs else 0


@pytest.fixture
def studio(filled_workspace: FilledWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """The app on a copy of the filled workspace."""
    monkeypatch.delenv("GENAIR_WORKER", raising=False)
    monkeypatch.setenv("GENAIR_THREADS", "1")
    shutil.copytree(filled_workspace.folder, tmp_path / "copy")
    workspace = Workspace.open(Settings(workspace=tmp_path / "copy", database_url=None))
    try:
        with serving(tmp_path / "copy", tmp_path) as url:
            yield Studio(url, workspace)
    finally:
        for worker in jobs.jobs(workspace, jobs.JobsRequest()).workers:
            end_worker(worker.pid)
        workspace.close()


@pytest.fixture
def worker(studio: Studio) -> Iterator[Worker]:
    """A worker in this process with a run that goes on and computes nothing."""
    jobs.submit(studio.workspace, "train", verbs.TrainRequest(dataset=DATASET, method="id", device="cpu"))
    idle_worker = Worker(studio.workspace, Scripted("sleep 1000"), slots=1)
    idle_worker.lease = timedelta(hours=1)
    idle_worker.tick()
    yield idle_worker
    idle_worker._leave()


def visit(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("heading", level=1, name="Training").wait_for()  # the first page of a fresh app takes its time
    settled(page, "Training")


def fill(page: Page, label: str, value: str) -> None:
    """While the page is drawn anew, because a job has begun or ended, a field may be there twice: then it is filled again."""
    field = page.get_by_label(label, exact=True)
    end = time.monotonic() + WITHIN
    while True:
        try:
            field.fill(value, timeout=2000)
            field.press("Enter", timeout=2000)
            break
        except Error:
            assert time.monotonic() < end, f"{label} cannot be filled"
    settled(page, "Training")


def choose(page: Page, label: str, value: str) -> None:
    """A list that is open closes when what was entered before it reaches the page: then it is opened again."""
    option = page.get_by_role("option", name=value, exact=True)
    end = time.monotonic() + WITHIN
    while True:
        page.get_by_label(label, exact=True).click()
        try:
            option.click(timeout=2000)
            break
        except TimeoutError:
            assert time.monotonic() < end, f"{label} offers no {value}"
    settled(page, "Training")


def points(page: Page) -> int:
    """Epochs that the loss chart shows."""
    return page.locator(".st-key-curves_loss .scatterlayer .points path").count()


def test_two_runs_from_the_form_to_their_comparison(studio: Studio, page: Page) -> None:
    visit(page, f"{studio.url}/training?dataset={DATASET}")
    for group in ("sasrec", "Training"):
        page.get_by_test_id("stExpander").get_by_text(group, exact=True).first.click()
    fill(page, "Dim", "16")
    fill(page, "Layers", "1")
    fill(page, "Max len [items]", "20")

    choose(page, "Method", "id")
    fill(page, "Epochs", "3")
    page.get_by_role("button", name="Launch 1 run").dblclick()
    until(lambda: studio.state("id") == "done", "the ID-only run has ended")

    choose(page, "Method", "genair")
    fill(page, "Epochs", str(NEVER_ENDING))
    fill(page, "Patience", str(NEVER_ENDING))
    press(page.get_by_role("button", name="Estimate"), page.get_by_text("Peak memory [MB]").is_visible, "it is estimated")
    settled(page, "Training")
    press(page.get_by_role("button", name="Launch 1 run"), lambda: studio.state("genair") != "not launched", "it is launched")
    until(lambda: studio.epochs("genair") > 0, "the first epoch is complete")
    card = page.locator(f".st-key-run_{studio.job('genair').job}")
    expect(card.get_by_text("epoch", exact=False).first).to_be_visible(timeout=1000 * WITHIN)
    assert studio.job("genair").estimate

    form = page.evaluate("performance.now()")
    page.evaluate("document.querySelector('.st-key-train_form').dataset.marked = 'yes'")
    before = points(page)
    until(lambda: points(page) > before, f"the curves move (seen since {form:.0f} ms)")
    assert page.evaluate("document.querySelector('.st-key-train_form').dataset.marked") == "yes"  # the form stayed

    press(card.get_by_role("button", name="Cancel"), lambda: studio.state("genair") == "cancelled", "the run is cancelled")
    stopped = studio.epochs("genair")
    expect(card.get_by_text("cancelled")).to_be_visible(timeout=1000 * WITHIN)
    press(card.get_by_role("button", name="Resume"), lambda: studio.state("genair") == "running", "it goes on")
    until(lambda: studio.epochs("genair") > stopped, "it goes on after its last epoch")
    expect(card.get_by_text("running")).to_be_visible(timeout=1000 * WITHIN)
    (run,) = studio.job("genair").runs
    press(card.get_by_role("button", name="Cancel"), lambda: studio.state("genair") == "cancelled", "it is cancelled again")

    (other,) = studio.job("id").runs
    visit(page, f"{studio.url}/training?dataset={DATASET}&runs={run},{other}")
    for chart in ("curves_loss", "curves_validation"):
        traces = page.locator(f".st-key-{chart} .legend .traces")
        expect(traces).to_have_count(2)
        for method in ("genair", "id"):
            expect(traces.filter(has_text=re.compile(rf"· {method} ·"))).to_have_count(1)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    expect(page.get_by_text("How the metrics were obtained: leave-two-out").first).to_be_visible()
    method = page.get_by_label("Method", exact=True)
    expect(method).to_have_value("genair")
    page.locator(f".st-key-run_{studio.job('id').job}").get_by_role("button", name="Duplicate").click()
    expect(method).to_have_value("id", timeout=1000 * WITHIN)
    assert len(jobs.jobs(studio.workspace, jobs.JobsRequest()).jobs) == 2  # the double click made one job


def test_a_link_to_runs_keeps_its_choice_while_another_one_trains(
    studio: Studio, worker: Worker, filled_workspace: FilledWorkspace, browser: Browser
) -> None:
    with studio.workspace.session() as session:  # enough of them to keep a browser busy between two polls
        template = session.get(RunRow, filled_workspace.run)
        columns = {column.key: getattr(template, column.key) for column in RunRow.__mapper__.column_attrs}
        metrics = load_metrics(session, [template.id])[template.id]
        for number in range(10):
            session.add(RunRow(**columns | {"id": f"copied-run-{number}"}))
            session.flush()
            save_metrics(session, f"copied-run-{number}", metrics)
    address = f"{studio.url}/training?dataset={DATASET}&runs=copied-run-1,copied-run-3"
    tabs = [browser.new_context().new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(address, timeout=1000 * WITHIN)
    for tab in tabs:
        polled = tab.locator(f".st-key-run_{studio.job('id').job}").get_by_text("started")
        for _ in range(3):
            shown_text = polled.inner_text(timeout=1000 * WITHIN)
            expect(polled).not_to_have_text(shown_text, timeout=1000 * WITHIN)
        expect(tab.locator(".st-key-runs_choice")).to_contain_text("-run-3")
        assert tab.url == address

    jobs.cancel(studio.workspace, studio.job("id").job)
    until(lambda: worker.tick() or studio.state("id") == "cancelled", "the run is cancelled")
    verbs.delete_dataset(studio.workspace, verbs.DeleteRequest(dataset=DATASET))  # under the page that polls
    expect(tabs[0].get_by_text("There is no dataset", exact=False).first).to_be_visible(timeout=1000 * WITHIN)
    for tab in tabs:
        expect(tab.get_by_test_id("stException")).to_have_count(0)
        tab.context.close()
