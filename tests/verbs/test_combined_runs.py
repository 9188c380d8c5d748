"""Runs that are made of other runs: stored as references and options, loaded, recommended with, explained, and they go with
what they read.
"""

import numpy as np
import pytest
from sqlalchemy import delete

from genair_engine import verbs
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store.tables import RunRow
from genair_engine.verbs.training.load import load_finished

SMALL = {"backbone": "gru4rec", "method": "id", "epochs": 1, "dim": 8, "max_len": 4}
SESSIONS = Sessions.from_lists([[1, 2], [3], [6, 5, 4, 3, 2, 1]])
ROLES = {"mixed": ("first", "second"), "reranked": ("candidates", "ranker")}


def train(workspace, **options):
    return verbs.train(workspace, verbs.TrainRequest(dataset="shop", device="cpu", **options))


@pytest.fixture
def parts(imported):
    """The workspace with a run that needs no training and a trained one."""
    return imported, train(imported, method="item-knn").run, train(imported, **SMALL).run


def scores(workspace, run):
    return load_finished(workspace, run).recommender.score(SESSIONS)[:, 1:].numpy()


@pytest.mark.parametrize("method", ROLES)
def test_a_combination_is_a_run_like_any_other(parts, method):
    workspace, knn, trained = parts
    run = train(workspace, method=method, inputs=dict(zip(ROLES[method], (knn, trained), strict=True)))
    assert run.state == "done" and run.run.startswith(method) and "backbone" not in run.config
    assert run.metrics["test"]["full"]["NDCG@10"] >= 0
    answer = verbs.recommend(workspace, verbs.RecommendRequest(run=run.run, items=["b03", "b08"], k=4))
    explained = verbs.explain(workspace, verbs.ExplainRequest(run=run.run, items=["b03", "b08"], k=4))
    assert [item.item for item in explained.reasons] == [item.item for item in answer.items]
    assert verbs.evaluate(workspace, verbs.EvaluateRequest(run=run.run, device="cpu")).metrics == run.metrics
    assert not (workspace.path(f"runs/{run.run}") / "model.safetensors").exists()  # nothing but which runs these are


def test_a_mixture_of_standardised_scores(parts):
    workspace, knn, trained = parts
    run = train(workspace, method="mixed", weight=0.25, inputs={"first": knn, "second": trained}).run
    first, second = (scores(workspace, part) for part in (knn, trained))
    z = [(values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True) for values in (first, second)]
    assert scores(workspace, run) == pytest.approx(0.75 * z[0] + 0.25 * z[1], abs=1e-4)


def test_combinations_of_combinations(parts):
    workspace, knn, trained = parts
    mixed = train(workspace, method="mixed", inputs={"first": knn, "second": trained}).run
    run = train(workspace, method="reranked", best=3, inputs={"candidates": trained, "ranker": mixed}).run
    first, second, both = (scores(workspace, part) for part in (trained, mixed, run))
    for row, taken in enumerate(([1, 2], [3], [6, 5, 4, 3, 2, 1])):
        unseen = [item for item in np.argsort(-first[row], kind="stable") + 1 if item not in taken]
        reordered = [item for item in np.argsort(-both[row], kind="stable") + 1 if item not in taken]
        assert set(reordered[:3]) == set(unseen[:3]) and reordered[3:] == unseen[3:]
        assert reordered[:3] == sorted(unseen[:3], key=lambda item, row=row: -second[row, item - 1])


def test_what_does_not_fit_is_refused(parts):
    workspace, knn, _ = parts
    with pytest.raises(InputError, match="needs --inputs second="):
        train(workspace, method="mixed", inputs={"first": knn})
    with pytest.raises(InputError, match="has no input 'third'"):
        train(workspace, method="mixed", inputs={"first": knn, "second": knn, "third": knn})
    with pytest.raises(NotFoundError, match="gone"):
        train(workspace, method="mixed", inputs={"first": knn, "second": "gone"})


def test_a_combination_goes_with_the_runs_that_it_reads(parts):
    workspace, knn, trained = parts
    run = train(workspace, method="mixed", inputs={"first": knn, "second": trained}).run
    with workspace.session() as session:
        session.execute(delete(RunRow).where(RunRow.id == knn))
    with pytest.raises(NotFoundError):
        load_finished(workspace, run)
    assert load_finished(workspace, trained).run.id == trained
