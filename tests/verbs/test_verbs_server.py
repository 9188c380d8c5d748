"""The verbs with a server's model: texts from the server, states from the reader, and what is kept of where they are from."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select

from genair_engine import verbs
from genair_engine.archetypes import openai_client
from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.errors import InputError, ModelError
from genair_engine.store.tables import TextRow, TextSetRow
from genair_engine.store.texts import failures, find_set
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.verbs.texts.regenerate import regenerating
from genair_engine.verbs.texts.requests import RegenerateResult
from tests.openai_server import KEY, OpenAIServer, status
from tests.verbs_workspaces import SMALL

PLAIN = Sampling(max_new_tokens=6, repetition_penalty=1)


@pytest.fixture(scope="module")
def tiny_llama(models_dir):
    return load_language_model(find_model("tiny-llama", models_dir), "cpu")


@pytest.fixture
def server(tiny_llama, monkeypatch):
    monkeypatch.setattr(openai_client, "FIRST_PAUSE", 0.01)
    with OpenAIServer(tiny_llama, "org/tiny") as server:
        monkeypatch.setenv("GENAIR_OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("GENAIR_OPENAI_API_KEY", KEY)
        monkeypatch.setenv("GENAIR_OPENAI_RETRIES", "1")
        yield server


@pytest.fixture
def shop(server, imported):
    return imported


def generate(workspace, **options):
    options = {
        "dataset": "shop",
        "model": "openai:org/tiny",
        "reader": "tiny-qwen",
        "sampling": PLAIN,
        "device": "cpu",
    } | options
    return verbs.generate(workspace, verbs.GenerateRequest(**options))


def test_a_catalogue_is_written_by_a_server_and_trained_on(shop, server, tmp_path):
    server.always["Nitrile"] = status(503, f"overloaded, Bearer {KEY}")
    generated = generate(shop)
    assert (generated.written, generated.failed, generated.model) == (11, 1, "openai:org/tiny")
    with shop.reading() as session:
        row = find_set(session, shop.dataset_row("shop").id, "openai:org/tiny")
        texts = list(session.scalars(select(TextRow)))
        reasons = {item.position: failure.reason for _, failure, item in failures(session, row.dataset_id)}
    assert (row.backend, row.revision, row.dim) == ("openai", server.host, 32)
    assert (row.sampling["server"], row.sampling["reader"]) == (server.host, "tiny-qwen")
    assert {text.device for text in texts} == {f"{server.host}, read on cpu"} and texts[0].generated_tokens == 6
    assert "answered 503: overloaded, Bearer … (2 attempts)" in reasons[6]

    server.always.clear()
    again = generate(shop)
    assert (again.written, again.items, again.archetypes) == (1, 12, generated.archetypes)
    request = verbs.RepresentRequest(dataset="shop", model="tiny-qwen", archetypes="openai:org/tiny")
    represented = verbs.represent(shop, request)
    assert represented.archetypes == generated.archetypes
    run = verbs.train(shop, verbs.TrainRequest(dataset="shop", representation=represented.representation, **SMALL)).run
    edited = verbs.embed(shop, verbs.EmbedRequest(dataset="shop", model="tiny-qwen", text={"b01": "Tinkerers."}, device="cpu"))
    tried = verbs.what_if(shop, verbs.WhatIfRequest(run=run, item="b01", archetypes=edited.archetypes))
    assert tried.cosine < 1
    with pytest.raises(ModelError, match="'openai:org/tiny' is a server's model"):
        verbs.represent(shop, verbs.RepresentRequest(dataset="shop", model="openai:org/tiny"))
    kept = b"".join(path.read_bytes() for path in shop.folder.rglob("*") if path.is_file())
    assert b"Tinkerers." in kept and KEY.encode() not in kept  # the database, its journal and all artifacts


def trained(shop, archetypes, model="tiny-qwen"):
    """A run on the states of the set, and its representation."""
    request = verbs.RepresentRequest(dataset="shop", model=model, archetypes=archetypes)
    representation = verbs.represent(shop, request).representation
    return verbs.train(shop, verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)).run, representation


def test_everything_behind_training_takes_a_servers_set(shop, server):
    """What is new is written by the server and read by the set's reader."""
    run, representation = trained(shop, generate(shop).archetypes)
    audience = verbs.audience(shop, verbs.AudienceRequest(dataset="shop", text="electricians", k=3, device="cpu"))
    assert len(audience.items) == 3 and "states of tiny-qwen over archetypes by openai:org/tiny" in audience.space
    request = verbs.NewItemRequest(dataset="shop", attributes={"title": "Clamp Meter"}, runs=[run], device="cpu")
    written = verbs.write_item(shop, request)
    (text,) = written.archetypes
    assert text.model == "openai:org/tiny" and text.generated_tokens == 6 and server.prompts("Clamp Meter") == 1
    given = verbs.write_item(shop, request.model_copy(update={"archetype": text.text}))
    for part, states in given.states[representation].items():
        np.testing.assert_allclose(written.states[representation][part], states, atol=1e-4)
    (own,) = verbs.item_detail(shop, "shop", "b01").archetypes
    same = verbs.what_if(shop, verbs.WhatIfRequest(run=run, item="b01", text=own.text))
    assert same.cosine == pytest.approx(1, abs=1e-4)
    assert verbs.what_if(shop, verbs.WhatIfRequest(run=run, item="b01", text="Nobody at all.")).cosine < 0.9999
    with shop.session() as session:
        row = session.get(TextSetRow, own.archetypes)
        row.sampling = row.sampling | {"reader_revision": "gone"}
    with pytest.raises(InputError, match=r"made by 'tiny-qwen', revision gone .* cannot stand in one representation"):
        verbs.what_if(shop, verbs.WhatIfRequest(run=run, item="b01", text=own.text))


def test_texts_that_people_wrote_take_only_given_ones(imported):
    ids = imported.load_dataset("shop").items["item_id"]
    texts = {item_id: f"For people {number}." for number, item_id in enumerate(ids)}
    request = verbs.EmbedRequest(dataset="shop", model="tiny-qwen", text=texts, device="cpu")
    run, _ = trained(imported, verbs.embed(imported, request).archetypes)
    wanted = verbs.NewItemRequest(dataset="shop", attributes={"title": "Clamp Meter"}, runs=[run], device="cpu")
    with pytest.raises(InputError, match=r"were written by people.*give the item's archetype as a text"):
        verbs.write_item(imported, wanted)
    given = verbs.write_item(imported, wanted.model_copy(update={"archetype": "For electricians."}))
    assert given.runs == [run]
    same = verbs.what_if(imported, verbs.WhatIfRequest(run=run, item="b01", text=texts["b01"]))
    assert same.cosine == pytest.approx(1, abs=1e-4)
    assert verbs.audience(imported, verbs.AudienceRequest(dataset="shop", text="electricians", k=3)).items


def test_one_item_is_regenerated_as_the_server_writes(shop):
    request = verbs.RegenerateRequest(
        dataset="shop", item="b01", model="openai:org/tiny", reader="tiny-llama", sampling=PLAIN, device="cpu"
    )
    *parts, result = regenerating(shop, request, Models(shop.settings, "cpu").writer(request.model, request.reader))
    assert isinstance(result, RegenerateResult) and parts and isinstance(parts[-1], str)
    assert verbs.item_detail(shop, "shop", "b01").archetypes[0].text == result.text
    assert verbs.regenerate(shop, request).archetypes != result.archetypes


def test_another_reader_is_another_set(shop):
    first, second = generate(shop, limit=1), generate(shop, limit=1, reader="tiny-llama")
    assert first.archetypes != second.archetypes
    with shop.reading() as session:
        assert len(list(session.scalars(select(TextSetRow)))) == 2


def test_a_server_that_fails_everything_leaves_nothing_behind(shop, server):
    server.always["item"] = status(400, "no")
    with pytest.raises(ModelError, match=r"wrote none of the 12 texts\. The first: No archetype of item 'b01'"):
        generate(shop)


def model_server(settings):
    checks = verbs.doctor(settings, verbs.DoctorRequest()).checks
    return [(check.state, check.found) for check in checks if check.name == "Model server"]


def test_the_doctor_looks_at_the_server(settings, server):
    set_up = settings.model_copy(update={"openai_base_url": server.url, "openai_api_key": KEY})
    assert model_server(set_up) == [("ok", f"{server.host} answers and serves org/tiny")]
    ((state, message),) = model_server(set_up.model_copy(update={"openai_api_key": "sk-other"}))
    assert state == "problem" and "refused the key (401)" in message and "sk-other" not in message
    ((state, message),) = model_server(set_up.model_copy(update={"openai_base_url": "http://127.0.0.1:1/v1"}))
    assert state == "problem" and "127.0.0.1:1 does not answer" in message
    assert model_server(settings.model_copy(update={"openai_base_url": None})) == []
