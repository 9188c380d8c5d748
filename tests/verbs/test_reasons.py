"""Reasons: leave-one-out equals separate calls, audiences in common, measures of the list."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine import verbs
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError, NotFoundError
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.recommender import TableRecommender
from genair_engine.serving.reasons import leave_one_out
from genair_engine.verbs.recommending.explain_requests import MOST_EXPLAINED
from tests.recommended_shop import TEXTS

KINDS = ["states", "metadata", "texts", "id"]


def recommender_of(backbone, max_len=5):
    torch.manual_seed(1)
    shortcut = {"shortcut": True} if backbone == "gru4rec" else {}
    config = RunConfig.of(backbone=backbone, method="id", dim=8, layers=1, max_len=max_len, **shortcut)
    model = build_recommender(config, 9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.items.embedding.weight[0] = 0
    return TableRecommender(model)


RECOMMENDERS = {backbone: recommender_of(backbone) for backbone in ("sasrec", "bert4rec", "gru4rec")}


def score(recommender, session, items):
    return recommender.score(Sessions.from_lists([session]))[0].double().numpy()[items]


@pytest.mark.parametrize("backbone", RECOMMENDERS)
@settings(max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=9), st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True))
def test_leave_one_out_equals_separate_calls(backbone, session, items):
    """Also with repeated items, and where the session is longer than the model reads."""
    recommender = RECOMMENDERS[backbone]
    whole, without = leave_one_out(recommender, np.array(session), np.array(items))
    np.testing.assert_allclose(whole, score(recommender, session, items), atol=1e-5)
    for place in range(len(session)):
        shorter = session[:place] + session[place + 1 :]
        np.testing.assert_allclose(without[place], whole - score(recommender, shorter, items), atol=1e-5)
    unread = len(session) - recommender.reads
    assert not without[: max(unread, 0)].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_list_is_the_recommended_one_with_reasons(recommended_shop, kind):
    workspace, run = recommended_shop.workspace, recommended_shop.runs[kind]
    request = {"run": run, "items": ["b06", "b04", "b06"], "k": 4}
    explained = verbs.explain(workspace, verbs.ExplainRequest(**request))
    plain = verbs.recommend(workspace, verbs.RecommendRequest(**request))
    assert [item.item for item in explained.reasons] == [item.item for item in plain.items]
    scores = [item.score for item in plain.items]
    assert [item.score for item in explained.reasons] == pytest.approx(scores, rel=1e-6, abs=1e-6)
    recommender = verbs.load_recommender(workspace, run)
    dataset = workspace.load_dataset("shop")
    for reason in explained.reasons:
        assert [(contribution.place, contribution.item) for contribution in reason.contributions] == [
            (1, "b06"),
            (2, "b04"),
            (3, "b06"),
        ]
        shorter = score(recommender.recommender, [6, 6], [reason.position])[0]
        assert reason.contributions[1].value == pytest.approx(reason.score - shorter, abs=1e-4)
        assert reason.popularity == dataset.popularity[reason.position]
        assert reason.popularity_group == dataset.popularity_group[reason.position]
    positions = [reason.position for reason in explained.reasons]
    share = dataset.popularity[positions].clip(1) / dataset.popularity.sum()
    assert explained.novelty == pytest.approx(-np.log2(share).mean())
    assert explained.long_tail == np.mean(dataset.popularity_group[positions] < 5)
    vectors = torch.nn.functional.normalize(recommender.dot_product.table()[positions], dim=1)
    cosines = (vectors @ vectors.T)[~torch.eye(4, dtype=torch.bool)]
    assert explained.diversity == pytest.approx(1 - float(cosines.mean()), abs=1e-5)
    assert verbs.LIST_MEASURES.keys() <= type(explained).model_fields.keys()
    assert explained.lines()[0].startswith("After b06, b04, b06")


@pytest.mark.parametrize("kind", KINDS)
def test_audiences_in_common_with_items_of_the_session(recommended_shop, kind):
    workspace, run = recommended_shop.workspace, recommended_shop.runs[kind]
    recommender = verbs.load_recommender(workspace, run)
    explained = verbs.explain_items(workspace, recommender, ["b04", "b02", "b08"], ["b01", "b05", "b08", "b02"])
    meter, cylinder, caliper, iron = (
        [(shared.audience, shared.place, shared.item, shared.of_item, round(shared.overlap, 2)) for shared in reason.shared]
        for reason in explained.reasons
    )
    assert meter == [
        ("Electricians", 3, "b08", "Electricians", 1.0),
        ("Electronics hobbyists", 2, "b02", "Hobbyists of electronics", 1.0),
    ]
    assert caliper == [("Busy repair shops", 2, "b02", "Repair shops", 0.67)]  # of itself it shares everything: no reason
    assert iron == [("Repair shops", 3, "b08", "Busy repair shops", 0.67)]
    assert cylinder == []
    assert explained.model == "tiny-llama"
    assert TEXTS[1].startswith("A meter")
    assert any("same audience: Electricians (as b08)" in line for line in explained.lines())


def test_the_only_item_has_no_contribution_and_one_result_no_diversity(recommended_shop):
    explained = verbs.explain(
        recommended_shop.workspace, verbs.ExplainRequest(run=recommended_shop.runs["states"], items=["b01"], k=1)
    )
    assert [contribution.value for contribution in explained.reasons[0].contributions] == [None]
    assert explained.diversity is None
    assert "pushed by" not in "\n".join(explained.lines())


def test_a_data_set_without_archetypes_still_has_the_other_reasons(imported):
    from tests.verbs_workspaces import SMALL

    run = verbs.train(imported, verbs.TrainRequest(dataset="shop", method="id", **SMALL)).run
    explained = verbs.explain(imported, verbs.ExplainRequest(run=run, items=["b01", "b02"], k=3))
    assert explained.archetypes is None and explained.model is None
    assert all(reason.shared == [] and reason.contributions[0].value is not None for reason in explained.reasons)


def test_bad_input_is_said(recommended_shop):
    workspace, run = recommended_shop.workspace, recommended_shop.runs["id"]
    recommender = verbs.load_recommender(workspace, run)
    with pytest.raises(NotFoundError, match="b99"):
        verbs.explain(workspace, verbs.ExplainRequest(run=run, items=["b99"]))
    with pytest.raises(InputError, match="session is empty"):
        verbs.explain_items(workspace, recommender, [], ["b01"])
    for items in ([], ["b01"] * (MOST_EXPLAINED + 1)):
        with pytest.raises(InputError, match="explained at once"):
            verbs.explain_items(workspace, recommender, ["b01"], items)
