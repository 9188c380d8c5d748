"""The verb `estimate`: measured in a process of its own, and readable where it cannot be."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from genair_engine import verbs
from genair_engine.errors import InputError
from genair_engine.settings import REPOSITORY
from tests.verbs_workspaces import SMALL

estimating = importlib.import_module("genair_engine.verbs.training.estimate")  # the attribute is the verb


def test_an_estimate_is_what_the_run_then_is(represented):
    workspace, representation = represented
    request = verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)
    estimate = verbs.estimate(workspace, request)
    assert not verbs.watched_runs(workspace, "shop")  # nothing was kept
    run = verbs.train(workspace, request)
    assert estimate.trainable_parameters == run.trainable_parameters
    assert estimate.efficiency == run.efficiency
    assert (estimate.device, estimate.epochs) == (run.device, SMALL["epochs"])
    assert estimate.seconds_per_epoch > 0 and estimate.validation_seconds > 0 and estimate.memory_mb > 100
    assert estimate.most_seconds == pytest.approx(3 * (estimate.seconds_per_epoch + estimate.validation_seconds))
    assert "steps" in estimate.how and len(estimate.lines()) == 3


def test_what_cannot_run_is_said(imported):
    with pytest.raises(InputError, match="needs --representation"):
        verbs.estimate(imported, verbs.TrainRequest(dataset="shop", **SMALL))
    with pytest.raises(InputError, match="no kind of device"):
        verbs.estimate(imported, verbs.TrainRequest(dataset="shop", method="id", device="quantum"))


@pytest.mark.parametrize(("code", "message"), [(-9, "more memory than is free"), (1, "MemoryError: no room")])
def test_a_process_that_dies_is_explained(imported, monkeypatch, code, message):
    def died(*_, **__):
        return subprocess.CompletedProcess([], code, stdout="", stderr="Traceback\nMemoryError: no room\n")

    monkeypatch.setattr(estimating.subprocess, "run", died)
    with pytest.raises(InputError, match=message):
        verbs.estimate(imported, verbs.TrainRequest(dataset="shop", method="id"))


def test_it_ends_a_process_that_takes_too_long(imported, monkeypatch):
    monkeypatch.setattr(estimating, "TIMEOUT", 0.01)
    with pytest.raises(InputError, match="too slow for this machine"):
        verbs.estimate(imported, verbs.TrainRequest(dataset="shop", method="id"))


def test_curves_of_runs(represented):
    workspace, representation = represented
    run = verbs.train(workspace, verbs.TrainRequest(dataset="shop", representation=representation, **SMALL))
    epochs = verbs.run_epochs(workspace, [run.run, "not-yet"])
    assert [epoch.epoch for epoch in epochs[run.run]] == [1, 2, 3] and epochs["not-yet"] == []
    assert set(epochs[run.run][0].losses) == {"rank", "calibration", "total"} and "NDCG@10" in epochs[run.run][0].valid
    (watched,) = verbs.watched_runs(workspace, "shop")
    assert watched.result.run == run.run and watched.job is None and watched.error is None


def test_runs_of_a_grid():
    request = verbs.SweepRequest(dataset="shop", representation="r", seeds=[1, 2], alphas=[0, 0.1], gammas=[2, 3])
    configs = [run.config().flat() for run in verbs.runs_of_grid(request)]
    combinations = [(config["alpha"], config.get("gamma"), config["seed"]) for config in configs]
    assert combinations == [(0, None, 1), (0, None, 2), (0.1, 2, 1), (0.1, 2, 2), (0.1, 3, 1), (0.1, 3, 2)]
    floors = verbs.runs_of_grid(verbs.SweepRequest(dataset="shop", method="popularity"))
    assert [run.seed for run in floors] == [None]  # nothing is trained, and no seed changes it
    assert [run.seed for run in verbs.runs_of_grid(verbs.SweepRequest(dataset="shop"))] == [42]
    with pytest.raises(InputError, match="seeds"):
        verbs.runs_of_grid(verbs.SweepRequest(dataset="shop", seeds=[-1]))


def test_checks_need_no_torch():
    code = "import sys; from genair_engine.verbs.training import checks; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=120)
