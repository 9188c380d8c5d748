"""Audience search and steering: cosines by hand, and a blend whose ends are the plain ranking and the audience alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from genair_engine import verbs
from genair_engine.errors import InputError, ModelError, NotFoundError
from genair_engine.verbs.recommending.audience import steer, top_places
from genair_engine.verbs.recommending.audience_space import CENTRE_OF, DESCRIPTION, some_audiences
from genair_engine.verbs.texts.ready_models import Models
from tests.recommended_shop import TEXTS, Vowels
from tests.verbs_workspaces import SMALL


def search(shop, text="Electricians", **options):
    request = verbs.AudienceRequest(dataset="shop", text=text, **options)
    return verbs.audience(shop.workspace, request, models=Models(shop.workspace.settings, "cpu"))


@pytest.fixture
def names():
    """The audiences that the texts by hand name."""
    return [
        "Electricians",
        "Electronics hobbyists",
        "Hobbyists of electronics",
        "Repair shops",
        "Chemistry teachers",
        "Home brewers",
        "Busy repair shops",
    ]


def test_similarity_is_the_cosine_of_what_both_are_beside_their_means(recommended_shop, names):
    """With all of the variance kept, PCA turns the space and no more: cosines are those of the encoder's own vectors."""
    detail = {
        item.position: item.item
        for item in verbs.search(recommended_shop.workspace, verbs.SearchRequest(dataset="shop")).items
    }
    texts = [
        verbs.item_detail(recommended_shop.workspace, "shop", detail[position]).archetypes[0].text for position in range(1, 13)
    ]
    items = Vowels().encode(texts)
    centred = items - items.mean(axis=0)
    query, *others = Vowels().encode([DESCRIPTION.format(name) for name in ["Electricians", *names]])
    query = query - np.mean(others, axis=0)
    expected = centred @ query / np.linalg.norm(centred, axis=1) / np.linalg.norm(query)
    result = search(recommended_shop, representation=recommended_shop.representations["texts"], k=12)
    assert {item.position: item.similarity for item in result.items} == pytest.approx(
        dict(enumerate(expected.tolist(), start=1)), abs=1e-4
    )
    assert [item.score for item in result.items] == sorted((item.similarity for item in result.items), reverse=True)


@pytest.mark.parametrize(
    ("kind", "space"), [("states", "states of tiny-llama"), ("texts", "minilm embeddings of archetypes by tiny")]
)
def test_the_result_says_which_space_it_is(recommended_shop, kind, space):
    name = recommended_shop.representations[kind]
    result = search(recommended_shop, representation=name, k=3)
    assert space in result.space and name in result.space and result.representation == name
    assert (result.run, result.weight, result.session) == (None, None, [])
    assert result.space in result.lines()[-1]


def test_the_audience_shown_is_the_one_with_the_words(recommended_shop):
    result = search(recommended_shop, text="a home brewer", k=12)
    entries = {item.position: item.audience for item in result.items}
    assert entries[4] == "Home brewers: they brew."
    assert entries[1] == "**Electricians**: they measure."  # none of its words: the first


def test_what_was_pinned_is_shown_as_it_was_embedded(represented):
    """Also in reasons; and a representation that was made before keeps the text of then."""
    workspace, before = represented
    for item, text in {"b01": "1. Gardeners: they dig.", "b04": "1. The gardeners: they rest."}.items():
        request = verbs.EmbedRequest(dataset="shop", model="tiny-llama", text={item: text}, device="cpu")
        pin = {"item": item, "archetypes": verbs.embed(workspace, request).archetypes}
        verbs.pin(workspace, verbs.PinRequest(dataset="shop", **pin))
    remade = verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model="tiny-llama")).representation
    verbs.pin(workspace, verbs.PinRequest(dataset="shop", item="b01", off=True))  # later: what was embedded stays
    models = Models(workspace.settings, "cpu")
    shown, read = {}, []
    for name in (before, remade):
        request = verbs.AudienceRequest(dataset="shop", text="gardeners", representation=name, k=12)
        shown[name] = {item.item: item.audience for item in verbs.audience(workspace, request, models=models).items}
        run = verbs.train(workspace, verbs.TrainRequest(dataset="shop", representation=name, **SMALL)).run
        (reason,) = verbs.explain_items(workspace, verbs.load_recommender(workspace, run), ["b04"], ["b01"]).reasons
        read.append([(shared.audience, shared.of_item) for shared in reason.shared])
    assert shown[remade]["b01"] == "Gardeners: they dig." and shown[before]["b01"] != "Gardeners: they dig."
    assert shown[remade]["b02"] == shown[before]["b02"]
    assert read == [[], [("Gardeners", "The gardeners")]]


@pytest.mark.parametrize("kind", ["states", "metadata", "texts", "id"])
def test_steering_goes_from_the_plain_ranking_to_the_audience(recommended_shop, kind):
    run, session = recommended_shop.runs[kind], ["b01", "b04"]
    plain = verbs.recommend(recommended_shop.workspace, verbs.RecommendRequest(run=run, items=session, k=12))
    alone = [item.item for item in search(recommended_shop, k=12).items if item.item not in session]
    ends = [[item.item for item in search(recommended_shop, run=run, items=session, weight=w, k=12).items] for w in (0.0, 1.0)]
    assert ends == [[item.item for item in plain.items], alone]
    between = search(recommended_shop, run=run, items=session, weight=0.3, k=12)
    assert (between.run, between.weight, between.session) == (run, 0.3, session)
    scores = {item.item: item.score for item in plain.items}
    near = {item.item: item.similarity for item in between.items}
    z = [np.array([values[item] for item in scores]) for values in (scores, near)]
    z = [(values - values.mean()) / values.std() for values in z]
    expected = dict(zip(scores, (0.7 * z[0] + 0.3 * z[1]).tolist(), strict=True))
    assert {item.item: item.score for item in between.items} == pytest.approx(expected, abs=1e-4)
    assert "weight 0.3" in between.lines()[0]


@pytest.mark.parametrize("steered", [False, True])
def test_only_items_that_may_be_listed_compete(recommended_shop, steered):
    session = {"run": recommended_shop.runs["id"], "items": ["b01"]} if steered else {}
    result = search(recommended_shop, text="Electricians", k=12, popularity_groups=[1, 5], **session)
    group = recommended_shop.workspace.load_dataset("shop").popularity_group
    may = {position for position in range(1, 13) if group[position] in (1, 5)}
    assert {item.position for item in result.items} == may - ({1} if steered else set())
    with pytest.raises(InputError, match="passes the filters"):
        search(recommended_shop, text="Electricians", category="Nothing of ours", **session)


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_steering_by_loops(seed, weight):
    random = np.random.default_rng(seed)
    scores, similarity = random.normal(size=9) * 50, random.normal(size=9).astype(np.float32)
    competing = random.random(9) < 0.7
    competing[:2] = True
    blend = steer(scores, similarity, weight, competing)
    z = [(values - values[competing].mean()) / values[competing].std() for values in (scores, similarity.astype(float))]
    np.testing.assert_allclose(blend, (1 - weight) * z[0] + weight * z[1], atol=1e-9)
    order = [place for place in np.argsort(-scores) if competing[place]]
    assert top_places(steer(scores, similarity, 0.0, competing), competing, 9).tolist() == order
    assert competing[top_places(blend, competing, 3)].all()


def test_what_is_the_same_for_all_items_counts_nothing():
    everyone = np.ones(3, dtype=bool)
    blend = steer(np.full(3, 7.0), np.float32([1, 3, 2]), 0.5, everyone)
    assert top_places(blend, everyone, 3).tolist() == [1, 2, 0]
    assert not steer(np.full(3, 7.0), np.full(3, 2, np.float32), 0.5, everyone).any()


def test_the_centre_is_made_of_audiences_each_once():
    assert sorted(some_audiences(TEXTS | {9: "No list.", 10: "1. Electricians: again"})) == sorted(
        {"Electricians", "Electronics hobbyists", "Hobbyists of electronics", "Repair shops", "Chemistry teachers"}
        | {"Home brewers", "Busy repair shops"}
    )
    many = {number: f"1. People {number}: x\n2. Others {number}: y" for number in range(1, 200)}
    assert len(some_audiences(many)) == CENTRE_OF == len(set(some_audiences(many)))
    assert some_audiences(many) == some_audiences(dict(reversed(many.items())))
    assert some_audiences({}) == []


def test_bad_input_is_said(recommended_shop, imported, tmp_path):
    for text in ("", "  ", "x" * 1001):
        with pytest.raises(InputError, match="1 to 1,000 characters"):
            search(recommended_shop, text=text)
    with pytest.raises(InputError, match="holds prefill and no archetypes"):
        search(recommended_shop, representation=recommended_shop.representations["metadata"])
    with pytest.raises(NotFoundError, match="nope"):
        search(recommended_shop, representation="nope")
    with pytest.raises(NotFoundError, match="b99"):
        search(recommended_shop, run=recommended_shop.runs["id"], items=["b99"])
    with pytest.raises(InputError, match="no representation with archetypes"):
        verbs.audience(imported, verbs.AudienceRequest(dataset="shop", text="anyone"))
    for options in ({"run": "some"}, {"items": ["b01"]}, {"weight": 1.1}):
        with pytest.raises(ValidationError):
            verbs.AudienceRequest(dataset="shop", text="anyone", **options)
    nowhere = Models(recommended_shop.workspace.settings.model_copy(update={"models_dir": tmp_path}), "cpu")
    with pytest.raises(ModelError, match="tiny-llama"):
        name = recommended_shop.representations["states"]
        verbs.load_audience_space(recommended_shop.workspace, "shop", name, nowhere)
