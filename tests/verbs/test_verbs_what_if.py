"""The verb `what-if` on a run over a language model's states, and over an encoder's."""

import numpy as np
import pytest

from genair_engine import verbs
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.store.tables import RepresentationRow, TextSetRow
from genair_engine.verbs.representations import catalogue_states as states
from genair_engine.verbs.representations import represent as representations
from genair_engine.verbs.texts import ready_models
from tests.verbs_workspaces import SHORT, SMALL


def generate(workspace, model="tiny-llama", **options):
    options = {"sampling": SHORT, "device": "cpu"} | options
    return verbs.generate(workspace, verbs.GenerateRequest(dataset="shop", model=model, **options)).archetypes


def train(workspace, representation, **options):
    request = verbs.TrainRequest(dataset="shop", representation=representation, **(SMALL | options))
    return verbs.train(workspace, request).run


def what_if(workspace, run, item="b01", **options):
    return verbs.what_if(workspace, verbs.WhatIfRequest(run=run, item=item, **options))


def test_an_archetype_of_another_set_is_put_in(represented):
    workspace, representation = represented
    own, other = workspace_set(workspace), generate(workspace, seed=7)
    run = train(workspace, representation, scaling="parts")
    same = what_if(workspace, run, archetypes=own)
    assert (same.changed, same.entered, same.left, same.examples) == (0, 0, 0, [])
    assert same.cosine == pytest.approx(1.0) and same.mean_rank_before == same.mean_rank_after
    assert same.sessions == len(workspace.load_dataset("shop").split.users) and same.k <= 10
    result = what_if(workspace, run, archetypes=other, k=3)
    assert result.cosine < 1 and result == what_if(workspace, run, archetypes=other, k=3)
    assert all(
        len(example.before) == len(example.after) == 3 and example.before != example.after for example in result.examples
    )
    assert len(result.examples) == result.changed
    assert result.lines()[0].startswith("Item b01: ")


def test_a_text_is_read_by_the_language_model_itself(represented):
    workspace, representation = represented
    run = train(workspace, representation)
    (own,) = verbs.item_detail(workspace, "shop", "b01").archetypes
    assert what_if(workspace, run, text="Gloves for everybody who solders.").cosine < 0.9999
    with workspace.session() as session:
        session.get(TextSetRow, own.archetypes).revision = "gone"
    with pytest.raises(InputError, match=r"made by 'tiny-llama', revision gone .* cannot stand in one representation"):
        what_if(workspace, run, text=own.text)


def workspace_set(workspace):
    (detail,) = verbs.item_detail(workspace, "shop", "b01").archetypes
    return detail.archetypes


def test_texts_are_put_into_an_encoders_representation(imported, monkeypatch):
    generate(imported)

    class Encoder:
        model_id = "words"

        def count_cut(self, texts):
            return 0

        def encode(self, texts, names=()):
            return np.array([[len(text), text.count("e"), text.count("a")] for text in texts], dtype=np.float32)

    from genair_engine.archetypes import loading
    from genair_engine.archetypes.model_folders import ModelFolder

    class Source(ModelFolder):
        is_encoder = True
        revision = "r"

    for module in (representations, ready_models):
        monkeypatch.setattr(module, "find_model", lambda name, folder, fetch=True: Source("words", imported.folder))
    for module in (states, loading):
        monkeypatch.setattr(module, "load_encoder", lambda source, device="cpu": Encoder())
    representation = verbs.represent(imported, verbs.RepresentRequest(dataset="shop", model="words", archetypes="tiny-llama"))
    run = train(imported, representation.representation)
    (own,) = verbs.item_detail(imported, "shop", "b01").archetypes
    assert what_if(imported, run, text=own.text).cosine == pytest.approx(1.0)
    assert what_if(imported, run, text="e" * 500).cosine < 0.99
    Source.revision = "another"
    with pytest.raises(InputError, match="made with revision r of 'words', and here is revision another"):
        what_if(imported, run, text="e")


def test_what_cannot_be_put_in(represented):
    workspace, representation = represented
    generate(workspace, "tiny-qwen", limit=2)
    run, without = train(workspace, representation), train(workspace, None, method="id")
    for options, message in [
        ({}, "either"),
        ({"text": "x", "archetypes": "tiny-llama"}, "either"),
        ({"archetypes": "tiny-qwen"}, "another model.*Choose a set by the same model"),
        ({"archetypes": "tiny-qwen", "item": "b09"}, "has no text of item 'b09'"),
        ({"archetypes": "tiny-llama", "item": "b99"}, "no item in 'shop' 'b99'"),
    ]:
        with pytest.raises(InputError, match=message):
            what_if(workspace, run, **options)
    with pytest.raises(InputError, match="'id', which does not read archetypes"):
        what_if(workspace, without, archetypes="tiny-llama")
    with pytest.raises(NotFoundError, match="no run 'gone'"):
        what_if(workspace, "gone", archetypes="tiny-llama")
    alone = verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model="tiny-llama", parts="prefill"))
    with pytest.raises(InputError, match="holds nothing of the archetypes' texts"):
        what_if(workspace, train(workspace, alone.representation), archetypes="tiny-llama")


def test_a_representation_without_bases_is_said(represented):
    workspace, representation = represented
    run = train(workspace, representation)
    with workspace.reading() as session:
        path = workspace.path(session.get(RepresentationRow, representation).folder) / "representation.safetensors"
    artifacts.save_arrays(path, {"vectors": artifacts.load_arrays(path)["vectors"]})
    for options in ({"archetypes": "tiny-llama"}, {"text": "x"}):
        with pytest.raises(InputError, match=f"Representation {representation}.*without its PCA bases"):
            what_if(workspace, run, **options)
