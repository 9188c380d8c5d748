"""What a model needs is told from headers and configuration, and loading is refused where it cannot fit."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from genair_engine.archetypes import memory
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.memory import needed, require_memory, token_bytes
from genair_engine.archetypes.model_folders import find_model
from genair_engine.errors import ModelError


@pytest.fixture
def llama(models_dir, tmp_path):
    return shutil.copytree(models_dir / "tiny-llama", tmp_path / "tiny-llama")


def parameters(folder):
    return sum(weight.numel() for weight in load_file(folder / "model.safetensors").values())


def test_weights_and_cache(llama):
    """tiny-llama: 2 layers of 2 key-value heads of 8 numbers, 512 positions."""
    config = AutoConfig.from_pretrained(llama)
    for dtype, size in ((torch.float32, 4), (torch.bfloat16, 2)):
        need = needed(llama, config, dtype)
        assert need.weights == parameters(llama) * size
        assert token_bytes(config, dtype) == 2 * 2 * 2 * 8 * size
        assert need.cache == 512 * 2 * 2 * 2 * 8 * size and need.total == need.weights + need.cache


def test_a_models_weights_in_several_files(llama):
    config, whole = AutoConfig.from_pretrained(llama), parameters(llama)
    weights = load_file(llama / "model.safetensors")
    names = sorted(weights)
    parts = {"a.safetensors": names[:5], "b.safetensors": names[5:]}
    for file, some in parts.items():
        save_file({name: weights[name] for name in some}, llama / file, metadata={"format": "pt"})
    shutil.copy(llama / "model.safetensors", llama / "consolidated.safetensors")  # the same once more, named by nothing
    (llama / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, some in parts.items() for name in some}}
    (llama / "model.safetensors.index.json").write_text(json.dumps(index))
    assert needed(llama, config, torch.float32).weights == whole * 4


def test_whole_numbers_stay_as_they_are(llama):
    weights = load_file(llama / "model.safetensors")
    weights["table"] = torch.zeros(10, dtype=torch.int64)
    save_file(weights, llama / "model.safetensors", metadata={"format": "pt"})
    config = AutoConfig.from_pretrained(llama)
    assert needed(llama, config, torch.bfloat16).weights == (parameters(llama) - 10) * 2 + 80


@pytest.mark.parametrize(
    ("free", "advice"),
    [(1000, "Of the presets none would fit"), (3_000_000_000, r"qwen2\.5-0\.5b-instruct would fit \(about 2\.0 GB\)")],
)
def test_what_cannot_fit_is_refused_before_it_is_read(llama, monkeypatch, free, advice):
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    monkeypatch.setattr(memory, "needed", lambda *_: memory.Need(27_000_000_000, 800_000_000))
    read = []
    monkeypatch.setattr("genair_engine.archetypes.causal_lm.AutoModelForCausalLM", read)
    with pytest.raises(ModelError, match=advice) as error:
        load_language_model(find_model("tiny-llama", llama.parent), "cpu")
    assert "tiny-llama needs about 27.8 GB on cpu: 27.0 GB of weights in float32 and 0.8 GB for the cache" in str(error.value)
    assert "openai:MODEL" in str(error.value) and read == []


def test_a_gpu_needs_room_here_and_there(llama, monkeypatch):
    source, config, gpu = find_model("tiny-llama", llama.parent), AutoConfig.from_pretrained(llama), torch.device("cuda")
    need = needed(llama, config, torch.bfloat16)
    monkeypatch.setattr(memory, "device_name", lambda device: "Card")
    free = {"cpu": need.weights, "cuda": need.total}
    monkeypatch.setattr(memory, "free_memory", lambda device: free[device.type])
    require_memory(source, config, torch.bfloat16, gpu)
    free["cuda"] -= 1
    with pytest.raises(ModelError, match="In the memory of Card"):
        require_memory(source, config, torch.bfloat16, gpu)
    free |= {"cuda": need.total, "cpu": need.weights - 1}
    with pytest.raises(ModelError, match="In main memory"):
        require_memory(source, config, torch.bfloat16, gpu)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [(-1, r"it has [\d,]+ of [\d,]+ bytes; get it again"), (5, "is cut off or no safetensors"), (300, "is cut off or no")],
)
def test_weights_that_are_cut_off(llama, kept, reason):
    path = llama / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=rf"tiny-llama .* cannot be loaded as a causal LM: model\.safetensors .*{reason}"):
        load_language_model(find_model("tiny-llama", llama.parent), "cpu")
