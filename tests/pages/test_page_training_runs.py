"""Training: the runs below the form, their curves, what the page tells of them, and what a look at them costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from app.ui import runs
from genair_engine import jobs, verbs
from genair_engine.errors import NotFoundError
from genair_engine.store.tables import JobRow, RunEpochRow, RunRow, utc_now
from genair_engine.workspace import Workspace
from tests.pages.conftest import OpenPage, page_text
from tests.workspaces import DATASET, FilledWorkspace


def test_runs_show_curves_costs_and_how_they_were_measured(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("training", dataset=DATASET, runs=filled_workspace.run)
    assert len(shown.get("plotly_chart")) == 2
    table = shown.dataframe[0].value.iloc[0]
    assert (table["Run"], table["Split"], table["Loss"], table["Seed"]) == (filled_workspace.run, "leave-two-out", "ce", 42)
    assert table["Epochs"] == "2 of 2" and table["Peak MB"] > 0 and 0 <= table["NDCG@10 test, all items"] <= 1
    assert "leave-two-out, full ranking without seen items" in page_text(shown)
    assert shown.query_params["runs"] == filled_workspace.run


def test_a_look_at_ten_running_jobs_is_a_handful_of_queries(
    jobs_app: OpenPage, filled_copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs again by itself every two seconds: under ten queries a second would be twenty of them."""
    for seed in range(10):
        jobs.submit(filled_copy, "train", verbs.TrainRequest(dataset=DATASET, method="id", seed=seed))
    with filled_copy.session() as session:
        times = {"started_at": utc_now(), "lease_until": utc_now() + timedelta(hours=1)}
        session.execute(update(JobRow).values(state="running", attempts=1, worker_id="w", **times))
        template = session.scalars(select(RunRow)).all()[0]
        columns = {column.key: getattr(template, column.key) for column in RunRow.__mapper__.column_attrs}
        for number, job in enumerate(session.scalars(select(JobRow.id)).all()):
            name = f"run-{number}"
            session.add(RunRow(**columns | {"id": name, "state": "training", "job_id": job}))
            session.flush()
            session.add(RunEpochRow(run_id=name, epoch=1, losses={"total": 1.0}, valid={"NDCG@10": 0.1}, seconds=1.0))
    asked: list[str] = []
    looks: list[int] = []
    live = runs.live

    def counted(*arguments: Any) -> None:
        before = len(asked)
        live(*arguments)
        looks.append(len(asked) - before)

    def ask(*arguments: Any) -> None:
        asked.extend([arguments[2]] if not arguments[2].startswith(("BEGIN", "PRAGMA")) else [])

    monkeypatch.setattr(runs, "live", counted)
    event.listen(Engine, "before_cursor_execute", ask)
    try:
        shown = jobs_app("training", dataset=DATASET)
    finally:
        event.remove(Engine, "before_cursor_execute", ask)
    assert sum("Train sasrec with id" in element.value for element in shown.text) == 10
    assert len(shown.get("plotly_chart")) == 2
    assert 0 < looks[-1] <= 8, asked


def test_a_failed_run_says_why(jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace) -> None:
    with filled_copy.session() as session:
        run = session.get(RunRow, filled_workspace.run)
        assert run is not None
        run.state, run.error, run.config = "failed", "The rank loss <b>is not finite</b>.", run.config | {"shortcut": True}
    shown = jobs_app("training", errors=True, dataset=DATASET)
    shown_errors = "".join(element.value for element in shown.error).replace("\\", "")
    assert "The rank loss <b>is not finite</b>." in shown_errors
    assert "a shortcut from the items to the state" in page_text(shown)


def test_a_queued_run_says_what_its_preset_means(jobs_app: OpenPage, filled_copy: Workspace) -> None:
    jobs.submit(filled_copy, "train", verbs.TrainRequest(dataset=DATASET, method="id", preset="studio"))
    (job,) = jobs.jobs(filled_copy, jobs.JobsRequest()).jobs
    (entry,) = runs.entries([job], [])
    assert entry.live and entry.deviations == verbs.TrainRequest(**job.config).config().departures() != []
    assert f"Not as in the paper: {'; '.join(entry.deviations)}." in page_text(jobs_app("training", dataset=DATASET))


def test_an_early_stop_is_said(jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace) -> None:
    with filled_copy.session() as session:
        run = session.get(RunRow, filled_workspace.run)
        assert run is not None
        run.config, run.epochs_done, run.best_epoch = run.config | {"epochs": 50}, 12, 2
    shown = jobs_app("training", dataset=DATASET, runs=filled_workspace.run)
    assert "stopped early after 12 epochs: no better for 10 epochs" in page_text(shown)
    assert shown.dataframe[0].value.iloc[0]["Stopped early"] == "no better for 10 epochs"


def test_a_run_of_a_sweep_is_live_with_it(filled_copy: Workspace, filled_workspace: FilledWorkspace) -> None:
    request = verbs.SweepRequest(dataset=DATASET, methods=["id"], seeds=[1, 2])
    sweep = jobs.submit(filled_copy, "sweep", request)
    with filled_copy.session() as session:
        run = session.get(RunRow, filled_workspace.run)
        assert run is not None
        run.state, run.job_id = "training", sweep.job
    watched = verbs.watched_runs(filled_copy, DATASET)
    entry, other = runs.entries([jobs.job(filled_copy, sweep.job)], watched)
    assert entry.live and entry.job is None and not other.live
    jobs.cancel(filled_copy, sweep.job)
    assert not any(entry.live for entry in runs.entries([jobs.job(filled_copy, sweep.job)], watched))


def test_a_link_to_runs_that_are_not_here_says_so(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("training", dataset=DATASET, runs=f"{filled_workspace.run},gone")
    assert "There is no “gone” among the newest runs of this data set." in page_text(shown)
    assert list(shown.dataframe[0].value["Run"]) == [filled_workspace.run]


def test_a_data_set_that_goes_under_the_page_is_told(app: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise NotFoundError("data set", DATASET)

    monkeypatch.setattr(verbs, "watched_runs", gone)
    shown = app("training", errors=True, dataset=DATASET)
    assert not shown.exception and "There is no data set" in shown.error[0].value
