"""New items: one that is like an item of the catalogue lands where that is, in every run; all others by plain arithmetic."""

import json
import shutil

import numpy as np
import pytest
import torch
from sqlalchemy import select

from genair_engine import verbs
from genair_engine.catalog.sessions import Sessions
from genair_engine.cli import main
from genair_engine.errors import InputError, ModelError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.store.tables import RepresentationRow, TextSetRow
from genair_engine.verbs.representations.unseen import template_of
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.verbs.training.load import load_model
from tests.recommended_shop import BY_HAND
from tests.verbs_workspaces import SMALL

GENAIR = ["states", "metadata", "texts"]
MULTIMETER = {"title": "Clamp Meter", "brand": "Volta", "description": "Measures current without contact."}


def write(shop, attributes=MULTIMETER, **options):
    return verbs.write_item(
        shop.workspace, verbs.NewItemRequest(dataset="shop", attributes=attributes, device="cpu", **options)
    )


def own_vectors(shop, run):
    """[n_items + 1, d] item vectors of a run without free ones."""
    _, _, model = load_model(shop.workspace, run)
    with torch.inference_mode():
        return model.items.project(model.items.representation) if model.items.representation is not None else None


@pytest.fixture(scope="module")
def meter(built_shop):
    """A new item, written once for the runs that need no encoder."""
    return write(built_shop, runs=[built_shop.runs["states"]])


@pytest.mark.parametrize("kind", GENAIR)
@pytest.mark.parametrize("position", [3, 6, 12])
def test_an_item_like_one_of_the_catalogue_is_that_item(recommended_shop, kind, position):
    """Same metadata and id, so same prompt and seed: same text, states, vector and score."""
    assert position not in BY_HAND
    run = recommended_shop.runs[kind]
    twin = recommended_shop.workspace.load_dataset("shop").items.iloc[position - 1]
    attributes = twin["attributes"] or {"title": twin["title"]}
    written = write(recommended_shop, attributes, item=twin["item_id"], runs=[run])
    space = verbs.load_item_space(recommended_shop.workspace, run)
    vector = space.vectors(written.states[space.row.id])[0]
    torch.testing.assert_close(vector, own_vectors(recommended_shop, run)[position], atol=1e-4, rtol=1e-4)
    placed = verbs.place_item(space, written, ["b01", "b02"])
    expected = space.recommender.states(Sessions.from_lists([[1, 2]]))[0] @ vector
    assert placed.score == pytest.approx(float(expected), abs=1e-4)
    if kind != "texts":  # without free vectors it is level with its twin
        scores = space.recommender.score(Sessions.from_lists([[1, 2]]))[0]
        assert placed.score == pytest.approx(float(scores[position]), abs=1e-3)
        assert placed.nearest[0].cosine == pytest.approx(1, abs=1e-4)
        assert twin["item_id"] in {neighbour.item for neighbour in placed.nearest}
    if kind != "metadata":
        texts = {
            archetype.model: archetype.text
            for archetype in verbs.item_detail(recommended_shop.workspace, "shop", twin["item_id"]).archetypes
        }
        assert [archetype.text for archetype in written.archetypes] == [texts["tiny-llama"]]


@pytest.mark.parametrize("kind", GENAIR)
def test_rank_and_score_by_plain_arithmetic(recommended_shop, kind):
    run = recommended_shop.runs[kind]
    written = write(recommended_shop, runs=[run])
    space = verbs.load_item_space(recommended_shop.workspace, run)
    vector = space.vectors(written.states[space.row.id])[0]
    for session in (["b04"], ["b01", "b08", "b01"], [f"b{number:02}" for number in range(1, 13)]):
        positions = [int(item_id[1:]) for item_id in session]
        state = space.recommender.states(Sessions.from_lists([positions]))[0]
        others = [float(state @ space.recommender.table()[item]) for item in range(1, 13) if item not in positions]
        placed = verbs.place_item(space, written, session)
        assert placed.score == pytest.approx(float(state @ vector), abs=1e-4)
        assert placed.rank == 1 + sum(other > placed.score for other in others)
        assert placed.of == len(others) + 1
    assert placed.rank == placed.of == 1  # everything else is in the session


@pytest.mark.parametrize("kind", GENAIR)
def test_real_sessions_are_those_in_which_it_ranks_highest(recommended_shop, kind):
    run = recommended_shop.runs[kind]
    written = write(recommended_shop, runs=[run])
    space = verbs.load_item_space(recommended_shop.workspace, run)
    dataset = space.dataset
    ids = dataset.items["item_id"].to_numpy()
    expected = {}
    for user in dataset.split.users.tolist():
        history = ids[dataset.sequences[user][:-1] - 1].tolist()
        expected[dataset.user_ids[user]] = (verbs.place_item(space, written, history).rank, history)
    placed = verbs.place_item(space, written, sessions=3)
    assert (placed.rank, placed.score, placed.looked_at) == (None, None, len(expected))
    ranks = [rank for rank, _ in expected.values()]
    assert [real_session.rank for real_session in placed.sessions] == sorted(ranks)[:3]
    for real_session in placed.sessions:
        assert expected[real_session.user] == (real_session.rank, real_session.items)
        assert real_session.length == len(real_session.items)
        assert real_session.next == ids[dataset.sequences[dataset.user_ids.index(real_session.user)][-1] - 1]
    assert placed.median_rank == np.median(ranks)
    assert placed.top_10 == np.mean([rank <= 10 for rank in ranks])
    fewer = verbs.place_item(space, written, sessions=1, users=4)
    assert fewer.looked_at == 4 and verbs.place_item(space, written, sessions=1, users=4) == fewer


def test_the_verb_puts_it_into_every_run_that_can_take_it(recommended_shop):
    seen = []
    request = verbs.NewItemRequest(dataset="shop", attributes=MULTIMETER, items=["b01"], sessions=1, device="cpu")
    result = verbs.new_item(recommended_shop.workspace, request, lambda *told: seen.append(told))
    assert {placement.run for placement in result.placements} == {recommended_shop.runs[kind] for kind in GENAIR}
    assert [archetype.model for archetype in result.archetypes] == ["tiny-llama"]  # written once for two representations
    assert result.skipped == [] and result.notes == []
    assert seen[-1][0] == seen[-1][1]
    text = "\n".join(result.lines())
    assert "Archetype (tiny-llama)" in text and "median rank" in text and "for user" in text


@pytest.mark.parametrize("kind", ["states", "texts"])
def test_a_given_archetype_is_read_instead_of_written(recommended_shop, kind):
    run = recommended_shop.runs[kind]
    given, same, other = (
        write(recommended_shop, runs=[run], archetype=text)
        for text in ("1. Electricians: they.", "1. Electricians: they.", "No one")
    )
    representation = next(iter(given.states))
    assert (given.archetypes[0].model, given.archetypes[0].audiences) == (None, ["Electricians: they."])
    np.testing.assert_array_equal(given.states[representation]["decoding"], same.states[representation]["decoding"])
    assert np.abs(given.states[representation]["decoding"] - other.states[representation]["decoding"]).max() > 1e-3
    np.testing.assert_allclose(given.states[representation]["prefill"], other.states[representation]["prefill"], atol=1e-5)
    written = write(recommended_shop, runs=[run])
    np.testing.assert_allclose(given.states[representation]["prefill"], written.states[representation]["prefill"], atol=1e-5)
    for empty in ("", "  ", "x" * 20_001):
        with pytest.raises(InputError, match="archetype must have"):
            write(recommended_shop, runs=[run], archetype=empty)


def test_runs_that_cannot_take_it(recommended_shop, meter, imported):
    workspace, runs = recommended_shop.workspace, recommended_shop.runs
    with pytest.raises(InputError, match=r"free item vectors \(method id\)"):
        write(recommended_shop, runs=[runs["id"]])
    with pytest.raises(InputError, match="free item vectors"):
        verbs.load_item_space(workspace, runs["id"])
    with pytest.raises(NotFoundError, match="nope"):
        write(recommended_shop, runs=["nope"])
    with pytest.raises(InputError, match="no finished GenAIR run"):
        verbs.new_item(imported, verbs.NewItemRequest(dataset="shop", attributes=MULTIMETER))
    with pytest.raises(InputError, match="was not read for representation"):
        verbs.place_item(verbs.load_item_space(workspace, runs["metadata"]), meter)
    with pytest.raises(NotFoundError, match="b99"):
        verbs.new_item(
            workspace, verbs.NewItemRequest(dataset="shop", attributes=MULTIMETER, items=["b99"], runs=[runs["states"]])
        )


def test_a_missing_model_leaves_its_runs_out_and_says_so(recommended_shop, tmp_path):
    workspace = recommended_shop.workspace
    nowhere = Models(workspace.settings.model_copy(update={"models_dir": tmp_path}), "cpu")
    request = verbs.NewItemRequest(dataset="shop", attributes=MULTIMETER, sessions=0)
    result = verbs.new_item(workspace, request, models=nowhere)
    assert [placement.run for placement in result.placements] == [recommended_shop.runs["metadata"]]
    assert {skipped.run for skipped in result.skipped} == {recommended_shop.runs["states"], recommended_shop.runs["texts"]}
    assert all("tiny-llama" in skipped.reason for skipped in result.skipped)
    assert any("Left out" in line for line in result.lines())
    with pytest.raises(ModelError, match="tiny-llama"):
        verbs.new_item(workspace, request.model_copy(update={"runs": [recommended_shop.runs["states"]]}), models=nowhere)


def test_a_representation_without_bases_is_said(represented):
    workspace, name = represented
    run = verbs.train(workspace, verbs.TrainRequest(dataset="shop", representation=name, **SMALL)).run
    with workspace.reading() as session:
        path = workspace.path(session.get(RepresentationRow, name).folder) / "representation.safetensors"
    artifacts.save_arrays(path, {"vectors": artifacts.load_arrays(path)["vectors"]})
    with pytest.raises(InputError, match=f"Representation {name}.*without its PCA bases"):
        verbs.load_item_space(workspace, run)
    with pytest.raises(InputError, match="without its PCA bases"):
        verbs.new_item(workspace, verbs.NewItemRequest(dataset="shop", attributes=MULTIMETER, device="cpu"))


def test_other_weights_of_the_model_are_refused_for_states(recommended_shop, models_dir, tmp_path):
    shutil.copytree(models_dir, tmp_path / "models")
    path = tmp_path / "models" / "tiny-llama" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"another": 1}))
    changed = Models(recommended_shop.workspace.settings.model_copy(update={"models_dir": tmp_path / "models"}), "cpu")
    request = verbs.NewItemRequest(dataset="shop", attributes=MULTIMETER, sessions=0)
    result = verbs.new_item(recommended_shop.workspace, request, models=changed)
    assert [skipped.run for skipped in result.skipped] == [recommended_shop.runs["states"]]
    assert "represent the data set again" in result.skipped[0].reason
    assert len(result.notes) == 1 and "written by revision" in result.notes[0]  # its texts are still read by the encoder


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "metadata is empty"),
        ({"title": " ", "brand": ""}, "metadata is empty"),
        ({"image": "x.png", "asin": "B00"}, "metadata is empty"),
        ({"title": "x" * 100_000}, "100,005 characters"),
        ({f"f{number}": "x" for number in range(201)}, "201 fields"),
        ({"k" * 101: "x"}, "101"),
    ],
)
def test_absurd_metadata_is_refused(recommended_shop, attributes, message):
    with pytest.raises(InputError, match=message):
        write(recommended_shop, attributes)


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        (
            '{"title": "Meter", "tags": ["a", "b"], "price": 12.5, "none": null}',
            {"title": "Meter", "tags": "a, b", "price": "12.5"},
        ),
        ("title: Meter\nbrand : Volta\n", {"title": "Meter", "brand": "Volta"}),
        ("Clamp Meter\nbrand: Volta", {"title": "Clamp Meter", "brand": "Volta"}),
        (
            "description: One,\n  two: and a sentence that is long: really.\nprice: 3",
            {"description": "One,", "two": "and a sentence that is long: really.", "price": "3"},
        ),
        ("title: A\nmore of it\nhttp://x.example/y", {"title": "A more of it http://x.example/y"}),
        ("title: <script>alert(1)</script>\x00", {"title": "<script>alert(1)</script>"}),
    ],
)
def test_pasted_metadata_is_read(text, attributes):
    assert verbs.read_metadata(text) == attributes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "metadata is empty"),
        ("   \n", "metadata is empty"),
        ("{}", "metadata is empty"),
        ('{"title": ', "not valid JSON .line 1"),
        ("[" * 5000, "not valid JSON"),
        ('{"a": ' + "[" * 600 + "]" * 600 + "}", "simple values"),
        ('[{"title": "a"}]', "One item"),
        ("x" * 100_000, "100,000 characters"),
    ],
)
def test_pasted_nonsense_is_said(text, message):
    with pytest.raises(InputError, match=message):
        verbs.read_metadata(text)


def test_a_prompt_that_cannot_be_made_again_is_said(recommended_shop):
    with recommended_shop.workspace.reading() as session:
        row = session.scalars(select(TextSetRow)).one()
        assert template_of(row).version == row.prompt_version
        for prompt in ({"instruction": "Other"}, row.prompt | {"question": "Why?"}, row.prompt | {"more": "x"}):
            with pytest.raises(InputError, match="cannot be made again"):
                template_of(TextSetRow(id="x", prompt=prompt, prompt_version=row.prompt_version))


def test_the_verbs_in_a_terminal(recommended_shop, monkeypatch, capsys):
    settings, run = recommended_shop.workspace.settings, recommended_shop.runs["states"]
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)

    def answer(*words, code=0):
        assert main([*words, "--json", "--quiet"]) == code
        captured = capsys.readouterr()
        return json.loads(captured.out) if code == 0 else captured.err

    fields = ("--attributes", "title=Clamp Meter", "--attributes", "brand=Volta, the maker")
    answered = answer("new-item", "shop", *fields, "--items", "b01,b02", "--runs", run, "--device", "cpu")
    assert answered["attributes"] == {"title": "Clamp Meter", "brand": "Volta, the maker"}
    assert answered["placements"][0]["rank"] >= 1 and answered["session"] == ["b01", "b02"]
    assert "metadata is empty" in answer("new-item", "shop", "--attributes", "title=", code=1)
    assert len(answer("explain", run, "--items", "b01,b02", "-k", "3")["reasons"]) == 3
    wanted = ("audience", "shop", "--text", "electricians", "-k", "2")
    steered = answer(*wanted, "--run", run, "--items", "b01", "--weight", "0.2")
    assert len(steered["items"]) == 2 and steered["weight"] == 0.2
    assert "both a run and the items" in answer(*wanted, "--run", run, code=1)
