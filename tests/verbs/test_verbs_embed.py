"""The verb `embed`: texts that people wrote become archetypes like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from genair_engine import verbs
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.cli import main
from genair_engine.errors import InputError, ModelError, NotFoundError
from genair_engine.store.texts import find_set, states_by, texts_of_set
from genair_engine.verbs.texts import writing
from genair_engine.verbs.texts.text_set import states_of
from tests.verbs_workspaces import SHORT, SMALL

TEXTS = {"b01": "Electricians who measure at home.", "b06": "Cleaners, and painters with care for their hands."}


def embed(workspace, **options):
    options = {"dataset": "shop", "model": "tiny-llama", "device": "cpu"} | options
    return verbs.embed(workspace, verbs.EmbedRequest(**options))


def kept(workspace, archetypes):
    """The set's row, its texts, and its states."""
    with workspace.reading() as session:
        row = find_set(session, workspace.dataset_row("shop").id, archetypes)
        return row, texts_of_set(session, row.id), states_of(workspace.path(row.folder), 12)


def csv_file(tmp_path, *lines):
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_texts_of_a_file_are_kept_with_their_states(imported, tmp_path):
    path = csv_file(tmp_path, "text,item_id,note", '"Electricians who\nmeasure at home.",b01,x', "Cleaners.,b06,")
    told = []
    request = verbs.EmbedRequest(dataset="shop", model="tiny-llama", texts=path, device="cpu")
    result = verbs.embed(imported, request, lambda *progress: told.append(progress))
    assert (result.written, result.items, result.failed, result.model) == (2, 2, 0, "tiny-llama")
    assert told[0] == (0, 2, "tiny-llama reads texts") and told[-1][0] == 2
    row, texts, (prefill, decoding, there) = kept(imported, result.archetypes)
    assert texts == {1: "Electricians who\nmeasure at home.", 6: "Cleaners."}
    assert there.nonzero()[0].tolist() == [0, 5] and np.isfinite(prefill).all() and (decoding[[0, 5]] != 0).any(axis=1).all()
    assert (row.model, row.backend, row.dim) == ("edited", "edited", 32)
    assert row.sampling.keys() == {"precision", "reader", "reader_revision"} and states_by(row)[0] == "tiny-llama"
    lines = [
        json.dumps({"item_id": "b06", "text": "Cleaners."}),
        "",
        json.dumps({"item_id": "b01", "text": texts[1], "by": "ann"}),
    ]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    again = embed(imported, texts=tmp_path / "texts.jsonl")
    assert (again.archetypes, again.written, again.items) == (result.archetypes, 0, 2)


def test_a_whole_catalogue_of_texts_is_represented_like_what_a_model_wrote(imported):
    """The prompt is read as when the model itself wrote behind it; the text as `reading` reads it."""
    generated = verbs.generate(
        imported, verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT, device="cpu")
    )
    _, texts, (prefill, _, _) = kept(imported, generated.archetypes)
    ids = imported.load_dataset("shop").items["item_id"]
    embedded = embed(imported, text={ids.iloc[position - 1]: text for position, text in texts.items()}, batch_size=5)
    row, again, (read_prefill, read_decoding, there) = kept(imported, embedded.archetypes)
    assert again == texts and there.all()
    np.testing.assert_allclose(read_prefill, prefill, atol=1e-5)
    model = load_language_model(find_model("tiny-llama", imported.settings.models_dir), "cpu")
    prompts = [PAPER.render(attributes) for attributes in imported.load_dataset("shop").items["attributes"]]
    _, expected = model.embed(prompts, [texts[position] for position in range(1, 13)])
    np.testing.assert_allclose(read_decoding, expected, atol=1e-5)
    representation = verbs.represent(imported, verbs.RepresentRequest(dataset="shop", model="tiny-llama", archetypes=row.id))
    assert representation.archetypes == row.id and representation.items == 12


def test_other_texts_readers_and_prompts_are_other_sets(imported):
    first = embed(imported, text=TEXTS)
    imported_prompt = verbs.PromptSaveRequest(name="mine", question="Who wants this {noun}?")
    verbs.save_prompt(imported, imported_prompt)
    others = [
        embed(imported, text=TEXTS | {"b01": "Teachers."}),
        embed(imported, text=TEXTS, model="tiny-qwen"),
        embed(imported, text=TEXTS, prompt="mine"),
    ]
    assert len({first.archetypes, *(result.archetypes for result in others)}) == 4
    assert others[2].prompt_version.startswith("mine-")
    detail = verbs.item_detail(imported, "shop", "b01")
    assert [archetype.text for archetype in detail.archetypes] == [TEXTS["b01"], "Teachers.", TEXTS["b01"], TEXTS["b01"]]


def test_an_edited_archetype_is_pinned_scored_and_tried(represented):
    workspace, representation = represented
    edited = embed(workspace, text=TEXTS)
    request = verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)
    run = verbs.train(workspace, request).run
    tried = verbs.what_if(workspace, verbs.WhatIfRequest(run=run, item="b01", archetypes=edited.archetypes))
    assert tried.cosine < 1 and tried.sessions > 0
    verbs.pin(workspace, verbs.PinRequest(dataset="shop", item="b01", archetypes=edited.archetypes))
    remade = verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model="tiny-llama"))
    assert remade.pinned == 1
    scored = {text_set.archetypes: text_set for text_set in verbs.score(workspace, verbs.ScoreRequest(dataset="shop")).sets}
    assert scored[edited.archetypes].items == 2
    other = embed(workspace, text=TEXTS, model="tiny-qwen")
    with pytest.raises(InputError, match=r"another model.*Choose a set by the same model"):
        verbs.what_if(workspace, verbs.WhatIfRequest(run=run, item="b01", archetypes=other.archetypes))
    with pytest.raises(
        InputError, match=f"is represented by its own states, but set {edited.archetypes} was read by 'tiny-llama'"
    ):
        verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model="tiny-qwen", archetypes=edited.archetypes))


def test_what_was_read_before_an_interruption_is_kept(imported, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(done, total, what):
        if done:
            raise Killed

    monkeypatch.setattr(writing, "SAVE_EVERY", 1)
    request = verbs.EmbedRequest(dataset="shop", model="tiny-llama", text=TEXTS, device="cpu", batch_size=1)
    with pytest.raises(Killed):
        verbs.embed(imported, request, killed)
    result = verbs.embed(imported, request)
    assert (result.written, result.items) == (1, 2)


def test_a_text_that_is_too_long_does_not_stop_the_others(imported):
    result = embed(imported, text={"b01": "word " * 2000, "b02": "Fine."})
    assert (result.written, result.failed, result.failures[0].item) == (1, 1, "b01")
    assert "The text of item 'b01' (Digital Multimeter) has" in result.failures[0].reason
    assert any("1 item failed" in line for line in result.lines())
    with pytest.raises(ModelError, match=r"read none of the 1 texts\. The first: The text of item 'b01'"):
        embed(imported, text={"b01": "word " * 2000})


BAD = {
    "an unknown item": (
        ["item_id,text", "b01,x", "b99,y"],
        r"texts\.csv, line 3: There is no item in 'shop' 'b99'\. Did you mean",
    ),
    "an item twice": (["item_id,text", "b01,x", "b01,y"], r"texts\.csv, line 3: item 'b01' has a text already"),
    "an empty text": (["item_id,text", "b01,x", "b02, "], r"texts\.csv, line 3: the text of item 'b02' is empty"),
    "too many fields": (
        ["item_id,text", "b01,x, with a comma"],
        r"texts\.csv, line 2: malformed line: expected 2 fields, found 3",
    ),
    "no such column": (["id,text", "b01,x"], r"texts\.csv: column 'item_id' is missing; its columns are id, text"),
    "only a header": (["item_id,text"], r"texts\.csv: holds no text"),
    "nothing": ([""], r"texts\.csv: the file is empty"),
    "too long": (["item_id,text", "b01," + "x" * 100_001], r"texts\.csv, line 2: the text of item 'b01' is .*longer"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_its_line(imported, tmp_path, kind):
    lines, message = BAD[kind]
    with pytest.raises(InputError, match=message):
        embed(imported, texts=csv_file(tmp_path, *lines))
    assert verbs.workspace_state(imported).datasets[0].archetype_sets == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"item_id": "b01"', "line 2: not JSON"),
        ('{"item_id": 3, "text": "x"}', "line 2: expected an object"),
        ("[]", "line 2: exp"),
    ],
)
def test_a_bad_line_of_json(imported, tmp_path, line, message):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"item_id": "b02", "text": "Fine."}\n' + line)
    with pytest.raises(InputError, match=message):
        embed(imported, texts=path)


def test_what_is_asked_for_must_be_there(imported, tmp_path):
    for options, message in [
        ({}, "Give either the file of --texts"),
        ({"texts": tmp_path / "none.csv"}, "there is no such file"),
        ({"texts": tmp_path / "none.csv", "text": TEXTS}, "Give either"),
    ]:
        with pytest.raises(InputError, match=message):
            embed(imported, **options)
    with pytest.raises(NotFoundError, match="no prompt 'odd'"):
        embed(imported, text=TEXTS, prompt="odd")
    with pytest.raises(ModelError, match="'openai:x' is a server's model"):
        embed(imported, text=TEXTS, model="openai:x")


def test_in_a_terminal(imported, tmp_path, capsys):
    path = csv_file(tmp_path, "item_id,text", "b01,Electricians.")
    assert main(["embed", "shop", "--model", "tiny-llama", "--texts", str(path), "--device", "cpu", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["written"], printed["model"], printed["dataset"]) == (1, "tiny-llama", "shop")
    assert main(["embed", "shop", "--model", "tiny-llama", "--text", "b02=Tinkerers = all", "--device", "cpu", "--quiet"]) == 0
    assert "tiny-llama read 1 texts for shop" in capsys.readouterr().out
    assert main(["embed", "shop", "--model", "tiny-llama", "--text", "b77=x", "--device", "cpu"]) == 1
    assert "There is no item in 'shop' 'b77'" in capsys.readouterr().err
