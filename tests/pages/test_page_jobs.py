"""Jobs: the page and what Home shows of them. Rows are made here; real workers and processes are in tests/jobs and browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.ui import guards, services
from app.ui import jobs as ui
from genair_engine import jobs
from genair_engine.errors import NotFoundError, OutageError
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
    shown = everything(empty_app("jobs"))
    assert "Nothing runs and nothing waits." in shown and "No job has ended yet." in shown and "No worker is alive." in shown


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


def test_a_failed_job_tells_its_reason_and_can_be_resumed(empty_app: OpenPage, workspace: Workspace, tmp_path: Path) -> None:
    ended = {"finished_at": utc_now(), "started_at": utc_now(), "attempts": 1}
    (tmp_path / "interactions.csv").write_text("user_id,item_id\nann,hat\n")
    config = {"path": str(tmp_path), "name": "shop"}
    make(workspace, "bad", "failed", kind="import", config=config, error="The disk is *full*.", **ended)
    shown = empty_app("jobs", errors=True)
    assert shown.error[0].value == "The disk is \\*full\\*\\."
    shown.button(key="resume_bad").click().run()
    assert jobs.job(workspace, "bad").state == "queued"


def test_a_link_shows_one_job(empty_app: OpenPage, workspace: Workspace) -> None:
    make(workspace, "other", "done", finished_at=utc_now(), started_at=utc_now())
    make(workspace, "linked", "done", finished_at=utc_now(), started_at=utc_now(), attempts=2)
    shown = empty_app("jobs", job="linked")
    assert "attempt 2 of at most 3" in everything(shown) and "Train other" not in everything(shown)
    next(button for button in shown.button if button.label == "All jobs").click().run()
    assert "Train other" in everything(shown) and "job" not in shown.query_params


def test_filters_and_more(empty_app: OpenPage, workspace: Workspace) -> None:
    for number in range(12):
        make(workspace, f"job{number:02}", "done" if number else "cancelled", finished_at=utc_now())
    shown = empty_app("jobs")
    assert len([text for text in shown.text if text.value.startswith("Train job")]) == 10
    next(button for button in shown.button if "more" in button.label).click().run()
    assert len([text for text in shown.text if text.value.startswith("Train job")]) == 12
    shown.get("button_group")[0].set_value(["cancelled"]).run()
    assert [text.value for text in shown.text if text.value.startswith("Train job")] == ["Train job00"]


def test_home_shows_what_runs_and_starts_the_next_step(jobs_app: OpenPage, filled_copy: Workspace) -> None:
    shown = jobs_app("home")
    assert "Now" not in [element.value for element in shown.subheader]
    next(button for button in shown.button if "demo-qwen" in button.label.replace("\\", "")).click().run()
    queued = jobs.jobs(filled_copy, jobs.JobsRequest()).jobs
    assert [(job.kind, job.state, job.config["model"]) for job in queued] == [("generate", "queued", "demo-qwen")]
    assert "Now" in [element.value for element in shown.subheader]
    assert "Write archetypes of untouched with demo-qwen, first 64 items" in everything(shown)
    steps = {button.label.replace("\\", ""): button.disabled for button in shown.button if button.label.startswith("Write")}
    assert steps == {"Write 64 with demo-llama": False, "Write 64 with demo-qwen": True}


RUNS = {"attempts": 1, "worker_id": "w", "lease_until": utc_now() + timedelta(hours=1), "started_at": utc_now()}


def test_a_job_that_ends_or_begins_again_while_the_page_is_drawn_is_shown_once(
    empty_app: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(workspace, "ends", "running", **RUNS)
    workers = ui.workers

    def ends_now(records: list[jobs.WorkerRecord]) -> None:
        with workspace.session() as session:
            row = session.get(JobRow, "ends")
            assert row is not None
            row.state, row.worker_id, row.lease_until, row.finished_at = "cancelled", None, None, utc_now()
        workers(records)

    monkeypatch.setattr(ui, "workers", ends_now)
    shown = empty_app("jobs")
    assert [text.value for text in shown.text if text.value.startswith("Train")] == ["Train ends"]


def test_a_page_is_drawn_anew_when_a_job_begins_or_ends(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_anew: list[bool] = []
    monkeypatch.setattr(services, "workspace", lambda: workspace)
    monkeypatch.setattr(ui.st, "rerun", lambda: drawn_anew.append(True))
    request = jobs.JobsRequest(states=[*ui.LIVE])
    watch = ui.Watch(request, "shop")
    assert watch.every == ui.IDLE_SECONDS and not watch.look().jobs
    make(workspace, "elsewhere", "queued", dataset="other")
    assert not watch.look().jobs and not drawn_anew
    make(workspace, "here", "queued", dataset="shop")
    assert [job.job for job in watch.look().jobs] == ["here"] and drawn_anew == [True]
    again = ui.Watch(request, "shop")
    assert again.every == ui.WATCH_SECONDS and again.look() and drawn_anew == [True]
    jobs.cancel(workspace, "here")
    assert not again.look().jobs and drawn_anew == [True, True]


def test_what_a_link_shows_is_looked_at_often_once_it_is_resumed(
    empty_app: OpenPage, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float | None] = []
    fragment = guards.fragment

    def spy(function: Any, run_every: float | None = None) -> Any:
        looks.append(run_every)
        return fragment(function, run_every)

    monkeypatch.setattr(guards, "fragment", spy)
    (tmp_path / "interactions.csv").write_text("user_id,item_id\nann,hat\n")
    config = {"path": str(tmp_path), "name": "shop"}
    make(workspace, "stopped", "cancelled", kind="import", config=config, finished_at=utc_now())
    shown = empty_app("jobs", job="stopped")
    assert looks == [ui.IDLE_SECONDS]
    shown.button(key="resume_stopped").click().run()
    assert looks[-1] == ui.WATCH_SECONDS and jobs.job(workspace, "stopped").live


def test_an_error_in_a_part_that_runs_by_itself_is_told(
    empty_app: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise NotFoundError("data set", "shop")

    make(workspace, "one", "running", **RUNS)
    monkeypatch.setattr(ui, "workers", gone)
    shown = empty_app("jobs", errors=True)
    assert not shown.exception and "There is no data set" in shown.error[0].value


def test_an_outage_during_a_click_is_told(empty_app: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OutageError("The database is away.")

    make(workspace, "waits", "queued")
    shown = empty_app("jobs")
    monkeypatch.setattr(jobs, "cancel", away)
    shown = empty_app("jobs")
    shown.button(key="cancel_waits").click().run()
    assert not shown.exception and [toast.value for toast in shown.toast] == ["The database is away\\."]


def test_only_what_runs_has_time_left(workspace: Workspace) -> None:
    times = {"started_at": utc_now() - timedelta(minutes=1), "attempts": 1, "done": 1, "total": 2}
    make(workspace, "runs", "running", worker_id="w", lease_until=utc_now(), **times)
    make(workspace, "waits", "queued", **times)
    left = ui.remaining(jobs.job(workspace, "runs"))
    assert left is not None and 55 < left.total_seconds() < 100
    assert ui.remaining(jobs.job(workspace, "waits")) is None
    assert "submitted" in ui.facts(jobs.job(workspace, "waits"))[0]


def test_a_card_links_to_its_job_and_says_what_is_not_as_in_the_paper(empty_app: OpenPage, workspace: Workspace) -> None:
    make(workspace, "queued", "queued", config={"dataset": "shop", "preset": "studio"})
    make(workspace, "old", "cancelled", config={"dataset": "shop", "shortcut": True, "forgotten": 1}, finished_at=utc_now())
    shown = empty_app("jobs")
    studio, old = (caption.value for caption in shown.caption if "Not as in the paper" in caption.value)
    assert studio.count(";") == 3 and "shortcut" in studio and "shortcut" in old
    assert [link.proto.query_string for link in shown.get("page_link")] == ["job=queued", "job=old"]


def test_what_ended_last_comes_first(empty_app: OpenPage, workspace: Workspace) -> None:
    for name, minutes in (("first", 9), ("last", 1), ("second", 5)):
        make(workspace, name, "done", finished_at=utc_now() - timedelta(minutes=minutes))
    titles = [text.value for text in empty_app("jobs").text if text.value.startswith("Train")]
    assert titles == ["Train last", "Train second", "Train first"]
