"""Presets and downloads, from a server that plays the hub: progress, interruption, gated and missing models, a full disk."""

from __future__ import annotations

import shutil
import threading
from types import SimpleNamespace

import huggingface_hub.constants
import pytest

from genair_engine.archetypes import hub
from genair_engine.archetypes.hub import PRESETS
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model, list_models
from genair_engine.errors import ModelError
from tests.hub_server import COMMIT, TOKEN, HubServer

QWEN = PRESETS["qwen2.5-0.5b-instruct"].hub_id
LLAMA = PRESETS["llama2-7b-chat"].hub_id


@pytest.fixture
def server(models_dir, tmp_path, monkeypatch):
    for variable in ("HF_HUB_CACHE", "HF_HOME", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(hub, "TELL_SECONDS", 0.02)
    with HubServer() as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        folder = shutil.copytree(models_dir / "tiny-qwen", tmp_path / "on-the-hub")
        (folder / "pytorch_model.bin").write_bytes(b"pickled")
        (folder / "modeling_evil.py").write_text("raise SystemExit")
        server.models = {QWEN: folder, LLAMA: folder}
        server.gated = {LLAMA}
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models"


def test_the_presets_are_those_of_the_paper_and_one_for_a_laptop():
    assert {name: preset.hub_id for name, preset in PRESETS.items()} == {
        "qwen2.5-0.5b-instruct": "Qwen/Qwen2.5-0.5B-Instruct",
        "qwen2.5-7b-instruct": "Qwen/Qwen2.5-7B-Instruct",
        "llama2-7b-chat": "meta-llama/Llama-2-7b-chat-hf",
        "llama3.1-8b-instruct": "meta-llama/Llama-3.1-8B-Instruct",
    }


def test_a_preset_is_downloaded_and_then_used_as_it_is(server, folder, monkeypatch):
    monkeypatch.setattr(hub, "MB", 1)  # so that a few kB are progress
    told = []
    source = find_model("Qwen2.5-0.5b-Instruct", folder, lambda *progress: told.append(progress))
    assert (source.model_id, source.revision) == (QWEN, COMMIT)
    assert {path.suffix for path in source.path.iterdir()} <= {".json", ".jinja", ".safetensors"}
    assert not {"pytorch_model.bin", "modeling_evil.py"} & set(server.fetched)
    wanted = sum(path.stat().st_size for path in source.path.iterdir())
    assert told[-1] == (wanted, wanted, f"MB of {QWEN} downloaded")
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert load_language_model(source, "cpu").dim == 32
    fetched = len(server.fetched)
    server.models.clear()  # the hub is not asked again
    assert find_model(QWEN, folder).path == source.path and len(server.fetched) == fetched
    assert QWEN in [model.model_id for model in list_models(folder)]


def test_nothing_is_downloaded_where_somebody_waits(server, folder):
    with pytest.raises(ModelError, match=rf"'{QWEN}' is not on this machine.*as a job.*generate DATASET --model {QWEN}"):
        find_model("qwen2.5-0.5b-instruct", folder, fetch=False)
    assert server.fetched == [] and not folder.exists()
    find_model(QWEN, folder)
    assert find_model("qwen2.5-0.5b-instruct", folder, fetch=False).revision == COMMIT


def test_a_cancelled_download_ends_and_goes_on(server, folder, monkeypatch):
    monkeypatch.setattr(hub, "MB", 1)
    server.held = threading.Event()

    class Cancelled(BaseException):
        pass

    def cancel(done, total, what):
        if done:
            server.held.set()
            raise Cancelled

    with pytest.raises(Cancelled):
        find_model(QWEN, folder, cancel)
    server.held = None
    assert find_model(QWEN, folder).revision == COMMIT


def test_a_connection_that_breaks_is_taken_up_again(server, folder):
    server.stop_after = 1000
    source = find_model(QWEN, folder)
    ours, theirs = (path / "model.safetensors" for path in (source.path, server.models[QWEN]))
    assert ours.read_bytes() == theirs.read_bytes() and server.fetched.count("model.safetensors") == 2


def test_a_gated_model_says_what_to_do(server, folder, monkeypatch):
    with pytest.raises(ModelError) as error:
        find_model("llama2-7b-chat", folder)
    assert f"{LLAMA} is gated: its owner wants a licence accepted. Do that at {server.url}/{LLAMA}" in str(error.value)
    assert f"make a token that may read at {server.url}/settings/tokens and set it as HF_TOKEN" in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ModelError, match="The token in HF_TOKEN was not let in") as error:
        find_model("llama2-7b-chat", folder)
    assert "hf_wrong" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert find_model("llama2-7b-chat", folder).model_id == LLAMA


def test_a_model_that_the_hub_does_not_have(server, folder):
    with pytest.raises(ModelError, match=r"The hub has no model 'acme/none', or a private one.*HF_TOKEN"):
        find_model("acme/none", folder)
    with pytest.raises(ModelError, match=r"'acme/no\.\.ne' is no name of a hub model"):
        find_model("acme/no..ne", folder)


def test_a_misspelt_preset_is_suggested(folder):
    with pytest.raises(ModelError, match=r"Did you mean llama2-7b-chat.*a preset \(qwen2\.5-0\.5b-instruct"):
        find_model("lama2-7b-chat", folder)


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(server, folder, monkeypatch):
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(ModelError, match=rf"{QWEN} needs .* GB more on the disk of .* GENAIR_MODELS_DIR"):
        find_model(QWEN, folder)
    assert server.fetched == []
