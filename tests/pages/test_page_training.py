"""Training: the page's states, the form, estimates, launching and what cannot run. Real training is in tests/browser."""

from __future__ import annotations

import os
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from genair_engine import jobs, verbs
from genair_engine.errors import InputError, OutageError
from genair_engine.store.tables import RunRow
from genair_engine.workspace import Workspace
from tests.pages.conftest import OpenPage, check, page_text
from tests.workspaces import DATASET, FilledWorkspace


def toasts(shown: AppTest) -> set[str]:
    return {element.value.replace("\\", "") for element in shown.toast}


def labels(shown: AppTest, kind: str) -> set[str]:
    return {element.label.replace("\\", "") for element in shown.get(kind)}


def choose(shown: AppTest, **values: Any) -> AppTest:
    for name, value in values.items():
        kinds = ("selectbox", "number_input", "text_input", "toggle")
        widget = next(candidate for kind in kinds for candidate in shown.get(kind) if candidate.key == f"train_{name}")
        shown = check(widget.set_value(value).run())
    return shown


def queued(workspace: Workspace) -> list[dict[str, Any]]:
    return [job.config for job in jobs.jobs(workspace, jobs.JobsRequest(states=["queued"])).jobs]


def test_without_data_it_says_what_to_do(empty_app: OpenPage) -> None:
    shown = empty_app("training")
    assert "No catalogue yet" in [element.value for element in shown.subheader]
    assert [button.label for button in shown.button] == ["Build the demo"]


def test_without_a_representation_only_id_can_be_launched(app: OpenPage) -> None:
    shown = app("training", dataset="untouched")
    assert shown.button(key="train_launch").disabled
    assert "Method genair needs item vectors: make them first" in page_text(shown)
    assert any("Write 64" in button.label for button in shown.button)
    shown = choose(shown, method="id")
    assert not shown.button(key="train_launch").disabled
    assert "Representation" not in labels(shown, "selectbox")
    assert "one free vector an item; the baseline without item content" in page_text(shown)


def test_fields_that_are_not_read_are_not_shown(app: OpenPage) -> None:
    shown = app("training", dataset=DATASET)
    assert {"Alpha", "Gamma", "Heads"} <= labels(shown, "number_input")
    assert not {"Mask probability", "Residual decay"} & labels(shown, "number_input")
    shown = choose(shown, alpha=0.0)
    assert "Gamma" not in labels(shown, "number_input")
    shown = choose(shown, backbone="bert4rec", loss="sampled")
    numbers = labels(shown, "number_input")
    assert {"Mask probability", "Negatives [items]"} <= numbers and "Shortcut" not in labels(shown, "toggle")


def test_presets_fill_the_defaults(app: OpenPage) -> None:
    shown = choose(app("training", dataset=DATASET), preset="public-code")
    assert shown.selectbox(key="train_loss").value == "bce"
    assert (shown.number_input(key="train_gamma").value, shown.number_input(key="train_dropout").value) == (4.0, 0.5)
    assert "Not as in the paper: no causal mask" in page_text(shown)
    shown = choose(shown, preset="studio", dropout=0.1)
    assert shown.selectbox(key="train_method").value == "genair-id"
    shown = choose(shown, backbone="gru4rec")
    assert shown.number_input(key="train_dropout").value == 0.1  # what was chosen stays
    shown = check(next(button for button in shown.button if button.label == "Back to the defaults").click().run())
    assert shown.selectbox(key="train_preset").value == "corrected"
    assert shown.number_input(key="train_dropout").value == 0.4


def test_what_does_not_fit_is_said_at_its_field_and_cannot_be_launched(app: OpenPage) -> None:
    shown = choose(app("training", dataset=DATASET), heads=3)
    assert shown.button(key="train_launch").disabled
    assert page_text(shown).count("Heads (3) must divide dim (128).") == 2  # at the field, and at the button
    shown = choose(shown, heads=4, seeds="1, two")
    assert shown.button(key="train_launch").disabled and "Two: Input should be a valid integer" in page_text(shown)
    shown = choose(shown, seeds="", without="prefill")
    assert not shown.button(key="train_launch").disabled


def test_the_parts_that_can_be_left_out_are_those_of_the_representation(app: OpenPage) -> None:
    shown = app("training", dataset=DATASET)
    assert shown.selectbox(key="train_without").options == ["prefill", "decoding"]
    shown = choose(shown, without="prefill")
    assert not shown.button(key="train_launch").disabled


def test_launching_twice_makes_one_job(jobs_app: OpenPage, filled_copy: Workspace) -> None:
    shown = choose(jobs_app("training", dataset=DATASET), dim=16, epochs=3)
    check(shown.button(key="train_launch").click().run())
    shown = check(shown.button(key="train_launch").click().run())
    (config,) = queued(filled_copy)
    assert (config["dim"], config["epochs"], config["seed"]) == (16, 3, 42)
    assert "1 run queued or running already." in toasts(shown)
    assert "Train sasrec with genair on workshop" in page_text(shown)


def test_seeds_and_grids_are_a_job_each(jobs_app: OpenPage, filled_copy: Workspace) -> None:
    shown = choose(jobs_app("training", dataset=DATASET), seeds="1, 2", alphas="0, 0.1", gammas="2, 3", epochs=2)
    launch = shown.button(key="train_launch")
    assert launch.label == "Launch 6 runs" and "Alpha" not in labels(shown, "number_input")
    check(launch.click().run())
    configs = [verbs.TrainRequest(**config).config().flat() for config in queued(filled_copy)]
    cells = sorted((config["seed"], config["alpha"], config.get("gamma", 0.0)) for config in configs)
    assert cells == [(1, 0.0, 0.0), (1, 0.1, 2.0), (1, 0.1, 3.0), (2, 0.0, 0.0), (2, 0.1, 2.0), (2, 0.1, 3.0)]


def test_a_queued_run_can_be_cancelled_and_resumed(jobs_app: OpenPage, filled_copy: Workspace) -> None:
    shown = choose(jobs_app("training", dataset=DATASET), method="id")
    shown = check(shown.button(key="train_launch").click().run())
    (job,) = jobs.jobs(filled_copy, jobs.JobsRequest()).jobs
    shown = check(shown.button(key=f"cancel_{job.job}").click().run())
    assert jobs.job(filled_copy, job.job).state == "cancelled"
    check(shown.button(key=f"resume_{job.job}").click().run())
    assert jobs.job(filled_copy, job.job).state == "queued"


def test_a_run_is_duplicated_into_the_form(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("training", dataset=DATASET)
    shown = check(shown.button(key=f"duplicate_{filled_workspace.run}").click().run())
    assert shown.number_input(key="train_dim").value == 16 and shown.number_input(key="train_epochs").value == 2
    assert shown.number_input(key="train_dropout").value == 0.4


ESTIMATE = verbs.Estimate(
    device="cpu",
    trainable_parameters=1234,
    efficiency={"length": 200, "session": 2_000_000_000, "table": 0},
    seconds_per_epoch=1.5,
    validation_seconds=0.5,
    memory_mb=900.0,
    epochs=200,
    how="Measured here.",
)


def test_an_estimate_asked_of_a_run_that_a_newer_one_ended_is_measured(
    jobs_app: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "estimate", lambda *_: ESTIMATE)
    shown = choose(jobs_app("training", dataset=DATASET), method="id")
    with monkeypatch.context() as ended:
        ended.setattr(verbs, "check", lambda *_: st.stop())
        assert not shown.button(key="train_estimate").click().run().metric
    assert "Trainable parameters" in [metric.label for metric in check(shown.run()).metric]


@pytest.mark.parametrize("fails", [False, True])
def test_an_estimate_goes_with_the_job(
    jobs_app: OpenPage, filled_copy: Workspace, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def measured(*_: Any) -> verbs.Estimate:
        if fails:
            raise InputError("More memory than is free.")
        return ESTIMATE

    monkeypatch.setattr(verbs, "estimate", measured)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    shown = choose(jobs_app("training", dataset=DATASET), method="id")
    shown = check(shown.button(key="train_estimate").click().run())
    if fails:
        assert "More memory than is free." in page_text(shown)
    else:
        figures = {metric.label.replace("\\", ""): metric.value for metric in shown.metric}
        assert figures["Trainable parameters"] == "1,234" and figures["Inference [GFLOPs]"] == "2"
        assert figures["All epochs, at most"] == "6 min 40 s" and "Measured here." in page_text(shown)
    check(shown.button(key="train_launch").click().run())
    (job,) = jobs.jobs(filled_copy, jobs.JobsRequest()).jobs
    assert job.estimate == (None if fails else ESTIMATE.model_dump())


def test_a_run_of_another_version_is_duplicated_as_far_as_it_is_known(
    jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace
) -> None:
    with filled_copy.session() as session:
        run = session.get(RunRow, filled_workspace.run)
        assert run is not None
        run.config = run.config | {"precision": "float8", "heads": 0, "forgotten": 3}
    shown = jobs_app("training", dataset=DATASET)
    shown = check(shown.button(key=f"duplicate_{filled_workspace.run}").click().run())
    assert shown.number_input(key="train_dim").value == 16 and shown.selectbox(key="train_precision").value == "auto"
    assert any("forgotten, heads, precision" in toast for toast in toasts(shown))


def test_an_outage_during_the_launch_is_told(
    jobs_app: OpenPage, filled_copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = choose(jobs_app("training", dataset=DATASET), method="id", seeds="1, 2")
    submit = jobs.submit

    def away(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(jobs, "submit", _fail)
        return submit(*arguments, **named)

    def _fail(*_: Any, **__: Any) -> None:
        raise OutageError("The database is away.")

    monkeypatch.setattr(jobs, "submit", away)
    shown = check(shown.button(key="train_launch").click().run())
    assert toasts(shown) == {"The database is away.", "1 run queued."}
    assert len(queued(filled_copy)) == 1
