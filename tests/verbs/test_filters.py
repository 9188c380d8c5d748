"""Rankings that are narrowed to some items, and the sessions of test users."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from genair_engine import verbs
from genair_engine.errors import GenairError, InputError, NotFoundError
from tests.recommended_shop import RecommendedShop

GLASS = "Lab Glassware"


def ranked(shop: RecommendedShop, **options: object) -> list[str]:
    request = verbs.RecommendRequest(run=shop.runs["states"], items=["b01", "b02"], k=100, **options)
    return [item.item for item in verbs.recommend(shop.workspace, request).items]


def test_a_narrowed_list_is_the_whole_one_without_the_others(recommended_shop: RecommendedShop) -> None:
    dataset, whole = recommended_shop.workspace.load_dataset("shop"), ranked(recommended_shop)
    category = dict(zip(dataset.items["item_id"], dataset.items["categories"], strict=True))
    wanted = category[whole[0]].split(",")[0].strip()
    narrowed = ranked(recommended_shop, category=wanted)
    assert narrowed == [item for item in whole if wanted in category[item]] != []
    group = dict(zip(dataset.items["item_id"], dataset.popularity_group[1:], strict=True))
    assert ranked(recommended_shop, popularity_groups=[1, 2]) == [item for item in whole if group[item] <= 2]


def test_each_request_of_a_batch_has_its_own_filters(recommended_shop: RecommendedShop) -> None:
    recommender = verbs.load_recommender(recommended_shop.workspace, recommended_shop.runs["states"])
    options = [
        {},
        {"popularity_groups": [1]},
        {"include_seen": True},
        {"popularity_groups": [1], "k": 1},
        {"category": "None"},
    ]
    requests = [
        verbs.RecommendRequest(**{"run": recommender.run, "items": ["b01"], "k": 50} | given)  # type: ignore[arg-type]
        for given in options
    ]
    *answers, nothing = recommender.answer_many(requests)
    assert isinstance(nothing, InputError) and "No item of 'shop' passes the filters (category None)" in str(nothing)
    for request, answer in zip(requests, answers, strict=False):
        assert not isinstance(answer, GenairError)
        assert [item.item for item in answer.items] == [item.item for item in recommender.answer(request).items]
    batch = verbs.BatchRequest(run=recommender.run, sessions=[["b01"], ["b02"]], popularity_groups=[1], k=50)
    alone = recommender.answer(requests[1])
    assert [item.item for item in recommender.answer_batch(batch).results[0].items] == [item.item for item in alone.items]


def test_reasons_and_audiences_are_narrowed_too(recommended_shop: RecommendedShop) -> None:
    run, group = recommended_shop.runs["states"], 5
    request = {"items": ["b01"], "popularity_groups": [group], "k": 3}
    explained = verbs.explain(recommended_shop.workspace, verbs.ExplainRequest(run=run, **request))
    assert {reason.popularity_group for reason in explained.reasons} == {group}
    audience = verbs.AudienceRequest(dataset="shop", text="teachers", device="cpu", run=run, **request)
    dataset = recommended_shop.workspace.load_dataset("shop")
    items = verbs.audience(recommended_shop.workspace, audience).items
    assert items and {dataset.popularity_group[item.position] for item in items} == {group}


def test_filters_that_make_no_sense_are_refused() -> None:
    for wrong in ({"popularity_groups": [0]}, {"popularity_groups": [6]}, {"price_from": 3, "price_to": 2}, {"price_to": -1}):
        with pytest.raises(ValidationError):
            verbs.RecommendRequest(run="r", items=["a"], **wrong)  # type: ignore[arg-type]


def test_the_rank_of_an_item_is_its_place_in_the_list(recommended_shop: RecommendedShop) -> None:
    recommender = verbs.load_recommender(recommended_shop.workspace, recommended_shop.runs["states"])
    session = ["b01", "b02", "b01"]
    for seen in (False, True):
        whole = [item.item for item in recommender.recommend(session, 100, include_seen=seen)]
        assert recommender.ranks_of(session, whole, seen) == list(range(1, len(whole) + 1))
    among = np.isin(np.arange(13), [3, 5, 9])
    listed = [item.item for item in recommender.recommend(session, 100, among=among)]
    assert recommender.ranks_of(session, listed, among=among) == [1, 2, 3]
    assert recommender.ranks_of(session, ["b01"])[0] >= 1  # a held-out item competes though it was seen
    with pytest.raises(NotFoundError, match="b99"):
        recommender.ranks_of(session, ["b01", "b99"])


def test_what_was_held_out_of_a_test_users_session(recommended_shop: RecommendedShop) -> None:
    dataset = recommended_shop.workspace.load_dataset("shop")
    for row in dataset.split.users.tolist():
        ids = [dataset.items["item_id"].iloc[item - 1] for item in dataset.sequences[row]]
        whole = verbs.held_out_session(dataset, dataset.user_ids[row], 50)
        assert [*whole.items, whole.held_out] == ids and whole.length == len(whole.items)
        short = verbs.held_out_session(dataset, dataset.user_ids[row], 2)
        assert short.items == ids[-3:-1] and short.length == len(ids) - 1
    drawn = {verbs.some_user(dataset, number) for number in range(40)}
    assert drawn <= {dataset.user_ids[row] for row in dataset.split.users} and len(drawn) > 1
    assert verbs.some_user(dataset, 3) == verbs.some_user(dataset, 3)
    with pytest.raises(NotFoundError, match="nobody"):
        verbs.held_out_session(dataset, "nobody", 5)
    with pytest.raises(InputError, match="2 interactions"):
        verbs.held_out_session(dataset, "eve", 5)
