"""A trained run for other programs: Recommender, its cache, export and index, through the verbs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from genair_engine import verbs
from genair_engine.errors import InputError, NotFoundError, WorkspaceError
from genair_engine.serving import indexing
from genair_engine.serving.bundle import load_bundle
from genair_engine.store.tables import RunRow
from genair_engine.verbs.recommending.recommender import Recommender
from tests.verbs_workspaces import SMALL

CAPTURED = {"capture_output": True, "text": True, "timeout": 120}


@pytest.fixture
def trained(imported):
    """A workspace with a trained run, and its name."""
    config = SMALL | {"method": "id", "epochs": 1}
    return imported, verbs.train(imported, verbs.TrainRequest(dataset="shop", **config)).run


def asked(run, items, **options):
    return verbs.RecommendRequest(run=run, items=items, **options)


def test_a_program_of_four_lines(trained, monkeypatch):
    workspace, run = trained
    recommender = Recommender.load(run)  # of the workspace that the environment names
    recommended = recommender.recommend(["b01", "b08"], k=3)
    answer = verbs.recommend(workspace, asked(run, ["b01", "b08"], k=3))
    assert [(item.item, item.score) for item in answer.items] == [(item.item, item.score) for item in recommended]
    assert recommender.dataset == "shop" and [item.title for item in recommended] == [item.title for item in answer.items]


def test_answers_together_are_those_alone_and_an_error_is_its_own(trained):
    workspace, run = trained
    recommender = Recommender.load(run, workspace)
    requests = [
        asked(run, ["b01"], k=2),
        asked(run, ["b01", "nothing"]),
        asked(run, ["b02"] * 500, k=1000, include_seen=True),
        asked(run, ["b03"], k=5),
    ]
    answers = recommender.answer_many(requests)
    assert isinstance(answers[1], NotFoundError) and "'nothing'" in str(answers[1]) and "'shop'" in str(answers[1])
    assert [len(answers[place].items) for place in (0, 2, 3)] == [2, 12, 5]
    for place in (0, 2, 3):
        alone = recommender.answer(requests[place])
        assert [item.item for item in alone.items] == [item.item for item in answers[place].items]
    batch = recommender.answer_batch(verbs.BatchRequest(run=run, sessions=[["b01"], ["b03"]], k=2))
    assert [result.session for result in batch.results] == [["b01"], ["b03"]]
    with pytest.raises(InputError, match=r"Session 2: .*'nothing'"):
        recommender.answer_batch(verbs.BatchRequest(run=run, sessions=[["b01"], ["nothing"]]))


def test_ready_runs_are_loaded_once_and_few_are_kept(trained, monkeypatch):
    workspace, run = trained
    other = verbs.train(workspace, verbs.TrainRequest(dataset="shop", **SMALL | {"method": "id", "epochs": 1, "seed": 9})).run
    loads = []
    monkeypatch.setattr(
        Recommender, "load", classmethod(lambda cls, name, _, load=Recommender.load: loads.append(name) or load(name))
    )
    ready = verbs.Recommenders(workspace, keep=1)
    assert ready.of(run) is ready.of(run) and loads == [run]
    assert ready.of(other).run == other and ready.of(run).run == run
    assert loads == [run, other, run]
    verbs.delete_dataset(workspace, verbs.DeleteRequest(dataset="shop"))
    with pytest.raises(NotFoundError, match=f"no run '{run}'"):
        ready.of(run)


def test_a_run_that_has_not_finished_says_so(trained):
    workspace, run = trained
    with workspace.session() as session:
        session.get(RunRow, run).state = "stopped"
    with pytest.raises(InputError, match="is stopped: only a finished run"):
        verbs.Recommenders(workspace).of(run)


@pytest.mark.parametrize("options", [{"method": "id"}, {"backbone": "bert4rec"}, {"backbone": "gru4rec", "shortcut": True}])
def test_an_exported_run_ranks_alike(represented, tmp_path, options):
    workspace, representation = represented
    given = {} if options.get("method") == "id" else {"representation": representation}
    run = verbs.train(workspace, verbs.TrainRequest(dataset="shop", **SMALL | {"epochs": 1} | options | given)).run
    exported = verbs.export(workspace, verbs.ExportRequest(run=run, output=tmp_path / "bundle"))
    assert {"config.json", "model.safetensors", "items.safetensors", "items.jsonl", "README.md"} <= set(exported.files)
    expected = verbs.recommend(workspace, asked(run, ["b03", "b08", "b01"])).items
    recommended = load_bundle(tmp_path / "bundle").recommend(["b03", "b08", "b01"])
    assert [(item.item, item.title, item.score) for item in recommended] == [
        (item.item, item.title, item.score) for item in expected
    ]


def test_an_export_needs_neither_database_nor_repository(trained, tmp_path):
    workspace, run = trained
    verbs.export(workspace, verbs.ExportRequest(run=run, output=tmp_path / "made"))
    folder = (tmp_path / "made").rename(tmp_path / "moved")
    expected = verbs.recommend(workspace, asked(run, ["b03", "b08", "b01"])).items
    code = (
        "import recommend, genair_engine; print(genair_engine.__file__)\n"
        "print([one.item for one in recommend.load().recommend(['b03', 'b08', 'b01'])])\n"
        "import sys; sys.argv = ['recommend.py', '--items', 'b03,nothing']; recommend.main()"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(folder)}, **CAPTURED)
    assert done.stderr.startswith("error: There is no item") and "Traceback" not in done.stderr and done.returncode == 1
    assert done.stdout.splitlines() == [
        str(folder / "genair_engine" / "__init__.py"),
        str([item.item for item in expected]),
    ]


def test_export_never_overwrites_and_says_what_is_broken(trained, tmp_path):
    workspace, run = trained
    folder = tmp_path / "bundle"
    verbs.export(workspace, verbs.ExportRequest(run=run, output=folder))
    with pytest.raises(InputError, match="exists already"):
        verbs.export(workspace, verbs.ExportRequest(run=run, output=folder))
    about = json.loads((folder / "config.json").read_text())
    assert about["run"] == run and about["dataset"] == "shop" and about["metrics"]["full"]["NDCG@10"] >= 0
    assert load_bundle(folder).n_items == 12
    for name, content in {"items.jsonl": '{"item": "a", "title": ""}\n', "model.safetensors": "x", "config.json": "{"}.items():
        broken = tmp_path / name
        shutil.copytree(folder, broken)
        (broken / name).write_text(content)
        with pytest.raises(InputError, match=r"not (a )?whole"):
            load_bundle(broken)
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="Cannot write"):
        verbs.export(workspace, verbs.ExportRequest(run=run, output=tmp_path / "file" / "bundle"))


@pytest.fixture
def measurable(trained, monkeypatch):
    """Ten users are enough to measure on, and any time is worth it."""
    monkeypatch.setattr(indexing, "LEAST_SESSIONS", 4)
    monkeypatch.setattr(indexing, "MOST_SHARE", np.inf)
    monkeypatch.setattr(indexing, "TRAINING_ROWS", 3)
    return trained


def test_an_index_is_measured_kept_and_used(measurable):
    workspace, run = measurable
    exact = verbs.recommend(workspace, asked(run, ["b01", "b08"]))
    index = verbs.index(workspace, verbs.IndexRequest(run=run, recall=0.9, anyway=True)).index
    assert index.recall >= 0.9 and index.lists == 4 and index.sessions == 4 and index.exact_milliseconds > 0
    recommender = verbs.load_recommender(workspace, run)
    assert recommender.index.facts.recall == index.recall
    assert recommender.answer(asked(run, ["b01", "b08"])).session == exact.session


def test_an_index_that_makes_no_sense_is_refused(measurable, monkeypatch):
    workspace, run = measurable
    with pytest.raises(InputError, match="12 items: exact search takes milliseconds"):
        verbs.index(workspace, verbs.IndexRequest(run=run))
    monkeypatch.setattr(indexing, "MOST_SHARE", 0.0)
    with pytest.raises(InputError, match="Exact search stays in use"):
        verbs.index(workspace, verbs.IndexRequest(run=run, anyway=True))
    monkeypatch.setattr(indexing, "LEAST_SESSIONS", 100)
    with pytest.raises(InputError, match="8 are too few"):
        verbs.index(workspace, verbs.IndexRequest(run=run, anyway=True))
    assert verbs.load_recommender(workspace, run).index is None


def test_an_index_of_other_vectors_is_not_used(measurable):
    workspace, run = measurable
    verbs.index(workspace, verbs.IndexRequest(run=run, recall=0.5, anyway=True))
    other = verbs.train(workspace, verbs.TrainRequest(dataset="shop", **SMALL | {"method": "id", "epochs": 1, "seed": 9})).run
    shutil.copy(workspace.path(f"runs/{run}/index.safetensors"), workspace.path(f"runs/{other}/index.safetensors"))
    with pytest.raises(WorkspaceError, match="other item vectors"):
        verbs.load_recommender(workspace, other)
