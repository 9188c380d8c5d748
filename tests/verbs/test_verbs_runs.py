"""What a run keeps and shows: metrics of groups, ranks of single users, costs, and where it follows the public code."""

from datetime import timedelta

import numpy as np
import pytest
import torch
from sqlalchemy import update

from genair_engine import jobs, verbs
from genair_engine.errors import ModelError, WorkspaceError
from genair_engine.evaluation.metrics import metrics
from genair_engine.methods.config import RunConfig
from genair_engine.store.jobs import Offer, claim, clock
from genair_engine.store.metrics import save_metrics
from genair_engine.store.runs import find_representation, find_run
from genair_engine.store.tables import DatasetRow, JobRow, RunRow
from genair_engine.verbs.evaluation.measure import RANKS, load_ranks
from genair_engine.verbs.training import checks, fitting
from genair_engine.verbs.training.checks import RunInput, RunPlan
from genair_engine.verbs.training.runs import run_result
from tests.verbs_workspaces import SMALL


def train(workspace, **options):
    return verbs.train(workspace, verbs.TrainRequest(dataset="shop", method="id", **(SMALL | options)))


class Killed(BaseException):
    """Ends a run where a process would have been killed."""


@pytest.fixture
def trained_elsewhere(any_workspace, source):
    """A workspace, a run that a job of another machine trains, that job, and the run's request."""
    verbs.import_dataset(any_workspace, verbs.ImportRequest(path=source, name="shop"))
    request = verbs.TrainRequest(dataset="shop", method="id", **SMALL)
    job = jobs.submit(any_workspace, "train", request).job
    with any_workspace.session() as session:
        assert claim(session, "far", timedelta(hours=1), Offer({}, has_gpus=False)).id == job

    def kill(done, total, what):
        raise Killed

    any_workspace.job = job
    with pytest.raises(Killed):
        verbs.train(any_workspace, request, kill)
    any_workspace.job = None
    run = verbs.runs_of(any_workspace, "shop")[0].run
    set_run(any_workspace, run, state="training")
    return any_workspace, run, job, request


def set_run(workspace, run, **values):
    with workspace.session() as session:
        session.execute(update(RunRow).where(RunRow.id == run).values(**values))


def state_of(workspace, run):
    with workspace.reading() as session:
        row, _ = find_run(session, run)
        return row.state, row.job_id, row.epochs_done


def test_a_run_that_a_job_of_another_machine_trains_is_left_alone_until_its_lease_has_ended(trained_elsewhere):
    workspace, run, job, request = trained_elsewhere
    workspace.job = "mine"
    assert verbs.train(workspace, request).run != run
    assert state_of(workspace, run) == ("training", job, 0)
    with workspace.session() as session:
        session.execute(update(JobRow).where(JobRow.id == job).values(lease_until=clock(session) - timedelta(seconds=1)))
    assert verbs.train(workspace, request).run == run
    assert state_of(workspace, run) == ("done", "mine", SMALL["epochs"])


@pytest.mark.parametrize("taken", [{"state": "done"}, {"state": "training", "job_id": "another"}])
@pytest.mark.parametrize("when", [0, 1, SMALL["epochs"]])
def test_a_process_whose_run_was_taken_changes_nothing_any_more(trained_elsewhere, taken, when):
    workspace, run, job, request = trained_elsewhere
    workspace.job = job

    def take(done, total, what):
        if done == when:
            set_run(workspace, run, **taken)

    with pytest.raises(WorkspaceError, match="was taken from this process"):
        verbs.train(workspace, request, take)
    state, owner, epochs = state_of(workspace, run)
    assert (state, owner, epochs) == (taken["state"], taken.get("job_id", job), when)
    assert len(verbs.run_epochs(workspace, [run])[run]) == epochs


def test_a_gpu_that_is_too_small_is_no_defect(imported, monkeypatch):
    def full(*_arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1.00 GiB")

    monkeypatch.setattr(fitting.Trainer, "fit", full)
    with pytest.raises(
        ModelError, match=r"\(CUDA out of memory. Tried to allocate 2.00 GiB\). Lower the batch size \(now 4\)"
    ):
        train(imported)


def test_ranks_of_single_users_give_the_metrics_of_the_run(imported, tiny):
    run = train(imported)
    ranks = load_ranks(imported.path(f"runs/{run.run}"), run.run)
    assert ranks.keys() == {"valid.full", "valid.sampled100", "test.full", "test.sampled100"}
    for name, values in ranks.items():
        part, protocol = name.split(".")
        assert len(values) == len(tiny.split.users) and np.all(values * 2 % 1 == 0)
        assert metrics(values) == run.metrics[part][protocol]


def test_the_newest_runs_are_watched(imported):
    first, second = train(imported, epochs=1), train(imported, epochs=2)
    assert [watched.result.run for watched in verbs.watched_runs(imported, "shop")] == [second.run, first.run]
    assert [watched.result.run for watched in verbs.watched_runs(imported, "shop", limit=1)] == [second.run]


def test_metrics_of_groups_and_lists(imported, tiny):
    run = train(imported)
    for part in ("valid", "test"):
        for protocol in ("full", "sampled100"):
            for kind in ("popularity", "history"):
                groups = run.metrics[part]["groups"][kind][protocol]
                assert sum(group["users"] for group in groups.values()) == len(tiny.split.users)
                total = sum(group["users"] * group["HR@10"] for group in groups.values() if group["users"])
                assert total == pytest.approx(len(tiny.split.users) * run.metrics[part][protocol]["HR@10"])
        assert 0 < run.metrics[part]["beyond"]["coverage@10"] <= 1
    shown = "\n".join(run.lines())
    assert "coverage@10" in shown and "MFLOPs for a session of 10 items" in shown and "groups" not in shown
    backbone = 12 * 10 * 8**2 + 4 * 10**2 * 8
    assert run.efficiency == {"length": 10, "session": backbone + 2 * 8 * 12, "table": 0}


def test_a_run_of_an_earlier_version_is_shown_and_gets_its_ranks_when_it_is_evaluated(imported):
    run = train(imported)
    file = imported.path(f"runs/{run.run}") / RANKS
    before = file.read_bytes()
    file.unlink()
    with imported.session() as session:
        row, _ = find_run(session, run.run)
        save_metrics(session, run.run, {part: {"full": run.metrics[part]["full"]} for part in ("valid", "test")})
        row.config = {name: value for name, value in row.config.items() if name not in ("preset", "kernel", "targets")}
        row.efficiency = {}
    old = run_result(imported, run.run)
    assert old.deviations == [] and len(old.lines()) == len(run.lines()) - 4
    again = verbs.evaluate(imported, verbs.EvaluateRequest(run=run.run, device="cpu"))
    assert again.metrics == run.metrics and file.read_bytes() == before


def test_the_key_of_a_run_holds_all_that_its_result_depends_on(monkeypatch):
    def key(content_hash="a", representation="minilm-1", device="cpu", **config):
        owner = DatasetRow(name="shop", content_hash=content_hash)
        inputs = (RunInput("representation", "representation", representation),) if representation else ()
        return RunPlan(owner, RunConfig.of(**config), inputs, None, device).key

    changed = [
        {"content_hash": "b"},
        {"representation": "minilm-2"},
        {"representation": None},
        {"device": "cuda"},
        {"device": "2 × cuda"},
        {"seed": 43},
        {"alpha": 0.2},
        {"dim": 64},
    ]
    keys = [key(), *(key(**change) for change in changed)]
    monkeypatch.setattr(checks, "__version__", "0.0.0")
    assert len({*keys, key()}) == len(changed) + 2
    monkeypatch.undo()
    same = [{"preset": "corrected"}, {"layers": 2}, {"alpha": 0.1, "gamma": 3.0}]  # as it is by default
    assert {key(), *(key(**change) for change in same)} == {keys[0]}
    assert key(alpha=0.0, gamma=1.0) == key(alpha=0.0) and key(gamma=1.0) != keys[0]  # without effect, and with


@pytest.mark.parametrize(
    ("options", "departure"),
    [
        ({"preset": "public-code"}, "Preset public-code, not as in the paper: no causal mask"),
        ({"preset": "public-code", "backbone": "gru4rec"}, "Preset public-code, not as in the paper: only the last item"),
        ({}, None),
    ],
)
def test_what_follows_the_public_code_is_always_shown(imported, options, departure):
    run = train(imported, epochs=1, **options)
    shown = "\n".join(run.lines())
    assert departure in shown if departure else "not as in the paper" not in shown
    assert bool(run.deviations) == bool(departure)
    answer = verbs.recommend(imported, verbs.RecommendRequest(run=run.run, items=["b01"]))
    assert answer.deviations == run.deviations
    named = f"  Not as in the paper: {'; '.join(run.deviations)}."
    assert answer.lines()[-1] == named if departure else named not in answer.lines()


def test_a_representation_of_titles_is_ours(represented):
    """Where a run uses the part; the parts are those of the stored representation."""
    workspace, representation = represented
    with workspace.session() as session:
        row = find_representation(session, workspace.dataset_row("shop"), representation)
        first, second = row.parts
        row.parts = [first, second | {"name": "title"}]

    def trained(**options):
        options = SMALL | {"epochs": 1} | options
        return verbs.train(workspace, verbs.TrainRequest(dataset="shop", representation=representation, **options))

    run = trained()
    assert run.deviations == ["title as one more part of the representation (extension)"]
    assert "not as in the paper: title as one more part" in "\n".join(run.lines())
    assert verbs.runs_of(workspace, "shop")[0].deviations == run.deviations
    left_out = trained(without="title")
    assert left_out.deviations == []
    compared = verbs.compare(workspace, verbs.CompareRequest(a=[run.run], b=[left_out.run]))
    assert (compared.a.deviations, compared.b.deviations) == (run.deviations, [])
    row = verbs.sweep(workspace, verbs.SweepRequest(dataset="shop", representation=representation, **SMALL, seeds=[1])).rows[0]
    assert row.deviations == run.deviations
