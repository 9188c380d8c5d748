"""Runs without training: made in seconds, stored, listed, recommended with, explained, compared, evaluated again."""

import numpy as np
import pytest

from genair_engine import verbs
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.evaluation.protocol import Protocol, evaluate
from genair_engine.methods.registry import METHODS
from genair_engine.verbs.training.load import load_finished, load_model

FLOORS = [name for name, method in METHODS.items() if method.tags.floor]
OF_CONTENT = [name for name in FLOORS if METHODS[name].needs]


def train(workspace, method, **options):
    return verbs.train(workspace, verbs.TrainRequest(dataset="shop", method=method, device="cpu", **options))


@pytest.fixture
def floors(represented):
    """The workspace with a run of every floor, by method."""
    workspace, representation = represented
    runs = {
        method: train(workspace, method, **({"representation": representation} if method in OF_CONTENT else {}))
        for method in FLOORS
    }
    return workspace, runs


def test_a_floor_is_a_run_like_any_other(floors):
    workspace, runs = floors
    listed = {run.run for run in verbs.runs_of(workspace, "shop")}
    for method, run in runs.items():
        assert run.state == "done" and run.run.startswith(f"{method}-") and run.run in listed
        assert run.config == {"preset": "corrected", "method": method} | METHODS[method].options().model_dump()
        assert run.trainable_parameters == run.epochs == 0 and run.metrics["test"]["full"]["NDCG@10"] >= 0
        assert any("not trained" in line for line in run.lines())
        answer = verbs.recommend(workspace, verbs.RecommendRequest(run=run.run, items=["b03", "b08"], k=4))
        assert len(answer.items) == 4 and not {"b03", "b08"} & {item.item for item in answer.items}
        again = verbs.evaluate(workspace, verbs.EvaluateRequest(run=run.run, device="cpu"))
        assert again.metrics == run.metrics


def test_what_was_counted_is_stored(floors):
    workspace, runs = floors
    dataset = workspace.load_dataset("shop")
    stored = load_finished(workspace, runs["popularity"].run)
    scores = stored.recommender.score(Sessions.from_lists([[1]]))[0]
    assert scores.tolist() == dataset.popularity.tolist()
    with workspace.session() as session:  # what the data set is now does not matter to it
        session.get(type(stored.owner), stored.owner.id).name = "renamed"
    workspace.fetch(f"{stored.run.folder}/model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot build"):
        load_finished(workspace, runs["popularity"].run)


def test_its_options_decide_the_run(floors):
    workspace, runs = floors
    other = train(workspace, "transition-knn", window=1, backward=0.0)
    assert other.config["window"] == 1 and other.config["decay"] == 0.7
    [first, second] = (
        load_finished(workspace, run).recommender.score(Sessions.from_lists([[1, 2, 3]])).numpy()
        for run in (runs["transition-knn"].run, other.run)
    )
    assert not np.allclose(first, second)
    with pytest.raises(ValueError, match="window is an option of"):
        verbs.TrainRequest(dataset="shop", method="popularity", window=3)
    with pytest.raises(InputError, match="needs --representation"):
        train(workspace, "content")


def test_reasons_are_left_out_scores(floors):
    workspace, runs = floors
    for run in runs.values():
        explained = verbs.explain(workspace, verbs.ExplainRequest(run=run.run, items=["b06", "b04", "b06"], k=2))
        score = load_finished(workspace, run.run).recommender.score
        assert explained.reads == 3 and explained.diversity is None
        for reason in explained.reasons:
            whole, without = (float(score(Sessions.from_lists([taken]))[0, reason.position]) for taken in ([6, 4, 6], [6, 6]))
            assert reason.score == pytest.approx(whole, abs=1e-6)
            assert reason.contributions[1].value == pytest.approx(whole - without, abs=1e-6)


def test_floors_are_compared(floors):
    workspace, runs = floors
    result = verbs.compare(workspace, verbs.CompareRequest(a=[runs["item-knn"].run], b=[runs["popularity"].run]))
    assert (result.a.what, result.a.seeds, result.seeds) == ("item-knn", [], None)
    assert any("(seed –)" in line for line in result.lines())
    both = [runs["item-knn"].run, runs["content"].run]
    with pytest.raises(InputError, match="both without a seed"):
        verbs.compare(workspace, verbs.CompareRequest(a=both, b=[runs["popularity"].run]))


def test_sweeps_make_floors_once(represented):
    workspace, representation = represented
    request = verbs.SweepRequest(dataset="shop", methods=["popularity"], floors=True, representation=representation)
    first = verbs.sweep(workspace, request)
    again = verbs.sweep(workspace, request)
    assert [row.runs for row in first.rows] == [row.runs for row in again.rows]
    assert {row.method for row in first.rows} == set(FLOORS) and len(first.rows) == len(FLOORS)
    content = next(row for row in first.rows if row.method == "content")
    scaled = verbs.sweep(workspace, request.model_copy(update={"methods": ["content"], "scaling": "parts"}))
    assert content.runs not in [row.runs for row in scaled.rows]


def test_what_needs_a_model_or_item_vectors_is_refused(floors, tmp_path):
    workspace, runs = floors
    run = runs["content"].run
    with pytest.raises(InputError, match="choose a run of method genair or genair-id or llminit or id"):
        verbs.export(workspace, verbs.ExportRequest(run=run, output=tmp_path / "bundle"))
    with pytest.raises(InputError, match="no item vectors that an index could hold"):
        verbs.index(workspace, verbs.IndexRequest(run=run, anyway=True))
    with pytest.raises(InputError, match="is not trained"):
        load_model(workspace, run)
    with pytest.raises(InputError, match="choose one of genair or genair-id"):
        verbs.what_if(workspace, verbs.WhatIfRequest(run=run, item="b01", text="Another."))
    with pytest.raises(InputError, match="nothing to estimate"):
        verbs.estimate(workspace, verbs.TrainRequest(dataset="shop", method="popularity", device="cpu"))


def test_the_stored_recommender_ranks_as_its_metrics_say(floors):
    workspace, runs = floors
    dataset = workspace.load_dataset("shop")
    for run in runs.values():
        ranks = evaluate(load_finished(workspace, run.run).recommender, dataset, None, "test", Protocol()).full
        assert (ranks < 10).mean() == pytest.approx(run.metrics["test"]["full"]["HR@10"])
