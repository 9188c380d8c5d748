"""The verbs with a server's model: texts from the server, states from the reader, and what is kept of where they are from."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from genair_engine import verbs
from genair_engine.archetypes import openai_client
from genair_engine.archetypes.backends import Sampling, load_language_model
from genair_engine.archetypes.sources import find_model
from genair_engine.errors import ModelError
from genair_engine.store.archetypes import failures_of_set, find_set
from genair_engine.store.tables import ArchetypeRow, ArchetypeSetRow
from genair_engine.verbs.regenerate import RegenerateResult, load_writer, regenerating
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
    found = generate(shop)
    assert (found.written, found.failed, found.model) == (11, 1, "openai:org/tiny")
    with shop.reading() as session:
        row = find_set(session, shop.dataset_row("shop").id, "openai:org/tiny")
        texts = list(session.scalars(select(ArchetypeRow)))
        reasons = failures_of_set(session, row.id)
    assert (row.backend, row.revision, row.dim) == ("openai", server.host, 32)
    assert (row.sampling["server"], row.sampling["reader"]) == (server.host, "tiny-qwen")
    assert {text.device for text in texts} == {f"{server.host}, read on cpu"} and texts[0].generated_tokens == 6
    assert "answered 503: overloaded, Bearer … (2 attempts)" in reasons[6]

    server.always.clear()
    again = generate(shop)
    assert (again.written, again.items, again.archetypes) == (1, 12, found.archetypes)
    request = verbs.RepresentRequest(dataset="shop", model="tiny-qwen", archetypes="openai:org/tiny")
    made = verbs.represent(shop, request)
    assert made.archetypes == found.archetypes
    run = verbs.train(shop, verbs.TrainRequest(dataset="shop", representation=made.representation, **SMALL)).run
    edited = verbs.embed(shop, verbs.EmbedRequest(dataset="shop", model="tiny-qwen", text={"b01": "Tinkerers."}, device="cpu"))
    tried = verbs.what_if(shop, verbs.WhatIfRequest(run=run, item="b01", archetypes=edited.archetypes))
    assert tried.cosine < 1
    with pytest.raises(ModelError, match="'openai:org/tiny' is a server's model"):
        verbs.represent(shop, verbs.RepresentRequest(dataset="shop", model="openai:org/tiny"))
    kept = b"".join(path.read_bytes() for path in shop.folder.rglob("*") if path.is_file())
    assert b"Tinkerers." in kept and KEY.encode() not in kept  # the database, its journal and all artifacts


def test_one_item_is_regenerated_as_the_server_writes(shop):
    request = verbs.RegenerateRequest(
        dataset="shop", item="b01", model="openai:org/tiny", reader="tiny-llama", sampling=PLAIN, device="cpu"
    )
    *parts, result = regenerating(shop, request, load_writer(shop, request.model, "cpu", request.reader))
    assert isinstance(result, RegenerateResult) and parts and isinstance(parts[-1], str)
    assert verbs.item_detail(shop, "shop", "b01").archetypes[0].text == result.text
    assert verbs.regenerate(shop, request).archetypes != result.archetypes


def test_another_reader_is_another_set(shop):
    first, second = generate(shop, limit=1), generate(shop, limit=1, reader="tiny-llama")
    assert first.archetypes != second.archetypes
    with shop.reading() as session:
        assert len(list(session.scalars(select(ArchetypeSetRow)))) == 2


def test_a_server_that_fails_everything_leaves_nothing_behind(shop, server):
    server.always["item"] = status(400, "no")
    with pytest.raises(ModelError, match=r"wrote none of the 12 items\. The first: No archetype of item 'b01'"):
        generate(shop)


def model_server(settings):
    checks = verbs.doctor(settings, verbs.DoctorRequest()).checks
    return [(check.state, check.found) for check in checks if check.name == "Model server"]


def test_the_doctor_looks_at_the_server(settings, server):
    set_up = settings.model_copy(update={"openai_base_url": server.url, "openai_api_key": KEY})
    assert model_server(set_up) == [("ok", f"{server.host} answers and serves org/tiny")]
    ((state, found),) = model_server(set_up.model_copy(update={"openai_api_key": "sk-other"}))
    assert state == "problem" and "refused the key (401)" in found and "sk-other" not in found
    ((state, found),) = model_server(set_up.model_copy(update={"openai_base_url": "http://127.0.0.1:1/v1"}))
    assert state == "problem" and "127.0.0.1:1 does not answer" in found
    assert model_server(settings.model_copy(update={"openai_base_url": None})) == []
