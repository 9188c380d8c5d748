"""Jobs: the page and what Home shows of them. Rows are made here; real workers and processes are in tests/jobs and browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from genair_engine import jobs
from genair_engine.settings import Settings
from genair_engine.store.tables import JobRow, utc_now
from genair_engine.workspace import Workspace
from tests.pages.conftest import OpenPage

HOSTILE = "loss **0.1** <b>x</b> [a](http://e.example)"


def make(workspace: Workspace, name: str, state: str, **values: Any) -> None:
    row = {
        "id": name,
        "kind": "train",
        "title": f"Train {name}",
        "config": {},
        "key": name,
        "gpus": 0,
        "max_attempts": 3,
        "log": f"jobs/{name}.log",
        "state": state,
    } | values
    with workspace.session() as session:
        session.add(JobRow(**row))


@pytest.fixture
def workspace(tmp_path: Path, empty_app: OpenPage) -> Iterator[Workspace]:
    opened = Workspace.open(Settings(workspace=tmp_path / "empty", database_url=None))
    yield opened
    opened.close()


def everything(shown: Any) -> str:
    texts = [*shown.text, *shown.caption, *shown.markdown, *shown.code]
    return "\n".join(element.value for element in texts).replace("\\", "").replace("\u2060", "")


def test_without_jobs_the_page_says_so(empty_app: OpenPage) -> None:
    said = everything(empty_app("jobs"))
    assert "Nothing runs and nothing waits." in said and "No job has ended yet." in said and "No worker is alive." in said


def test_a_running_job_shows_progress_and_can_be_cancelled(empty_app: OpenPage, workspace: Workspace) -> None:
    now = utc_now()
    usage = {"cpu_percent": 187.0, "memory_mb": 812.0}
    running = {"attempts": 1, "worker_id": "w", "lease_until": now + timedelta(hours=1), "started_at": now, "usage": usage}
    make(workspace, "one", "running", done=3, total=12, what=HOSTILE, **running)
    shown = empty_app("jobs")
    assert "CPU 187%" in everything(shown) and "memory 812 MB" in everything(shown)
    assert "\\*\\*0\\.1\\*\\*" in shown.get("progress")[0].proto.text
    shown.button(key="cancel_one").click().run()
    assert jobs.job(workspace, "one").cancel_requested
    assert shown.button(key="cancel_one").disabled


def test_a_waiting_job_says_why_and_ends_at_once(empty_app: OpenPage, workspace: Workspace) -> None:
    make(workspace, "waits", "queued")
    shown = empty_app("jobs")
    assert "Waits: no worker is alive." in everything(shown)
    shown.button(key="cancel_waits").click().run()
    assert jobs.job(workspace, "waits").state == "cancelled"
    assert shown.button(key="resume_waits")


def test_a_failed_job_tells_its_reason_and_can_be_resumed(empty_app: OpenPage, workspace: Workspace) -> None:
    make(workspace, "bad", "failed", error="The disk is *full*.", finished_at=utc_now(), started_at=utc_now(), attempts=1)
    shown = empty_app("jobs", errors=True)
    assert shown.error[0].value == "The disk is \\*full\\*\\."
    shown.button(key="resume_bad").click().run()
    assert jobs.job(workspace, "bad").state == "queued"


def test_a_link_shows_one_job(empty_app: OpenPage, workspace: Workspace) -> None:
    make(workspace, "other", "done", finished_at=utc_now(), started_at=utc_now())
    make(workspace, "linked", "done", finished_at=utc_now(), started_at=utc_now(), attempts=2)
    shown = empty_app("jobs", job="linked")
    assert "attempt 2 of at most 3" in everything(shown) and "Train other" not in everything(shown)
    next(one for one in shown.button if one.label == "All jobs").click().run()
    assert "Train other" in everything(shown) and "job" not in shown.query_params


def test_filters_and_more(empty_app: OpenPage, workspace: Workspace) -> None:
    for number in range(12):
        make(workspace, f"job{number:02}", "done" if number else "cancelled", finished_at=utc_now())
    shown = empty_app("jobs")
    assert len([one for one in shown.text if one.value.startswith("Train job")]) == 10
    next(one for one in shown.button if "more" in one.label).click().run()
    assert len([one for one in shown.text if one.value.startswith("Train job")]) == 12
    shown.get("button_group")[0].set_value(["cancelled"]).run()
    assert [one.value for one in shown.text if one.value.startswith("Train job")] == ["Train job00"]


def test_home_shows_what_runs_and_starts_the_next_step(jobs_app: OpenPage, filled_copy: Workspace) -> None:
    shown = jobs_app("home")
    assert "Now" not in [element.value for element in shown.subheader]
    next(one for one in shown.button if "demo-qwen" in one.label.replace("\\", "")).click().run()
    queued = jobs.jobs(filled_copy, jobs.JobsRequest()).jobs
    assert [(one.kind, one.state, one.config["model"]) for one in queued] == [("generate", "queued", "demo-qwen")]
    assert "Now" in [element.value for element in shown.subheader]
    assert "Write archetypes of untouched with demo-qwen, first 64 items" in everything(shown)
