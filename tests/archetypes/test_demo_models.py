"""The embedded demo models as they are committed: they load offline, chat once, and answer as the corpus taught them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from genair_engine.archetypes.demo import SAMPLING
from genair_engine.archetypes.demo.corpus import examples
from genair_engine.archetypes.demo.evaluate import BARS, on_the_demo
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model

CACHE = Path(__file__).parents[2] / "models_cache"
MODELS = {"demo-llama": "llama", "demo-qwen": "qwen"}
LONGEST = 400
HELD_OUT_SEED = 987_654
COUNT = 16


@pytest.fixture(scope="module", params=sorted(MODELS))
def demo(request: pytest.FixtureRequest, monkeypatch_module: pytest.MonkeyPatch):
    monkeypatch_module.setenv("HF_HUB_OFFLINE", "1")
    folder = CACHE / request.param
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return request.param, folder, tokenizer, model


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def _chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_folder_is_small_and_plain(demo) -> None:
    _, folder, _, model = demo
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl", ".py"))]
    assert (folder / "model.safetensors").stat().st_size <= 25e6
    assert 2e6 < model.num_parameters() < 6e6
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_card_says_what_it_is(demo) -> None:
    name, folder, _, model = demo
    card = (folder / "README.md").read_text("utf-8")
    assert name in card and "demo" in card
    assert f"{model.num_parameters():,} parameters" in card
    for heading in ("What it does not do", "Training", "Licence"):
        assert heading in card
    assert f"--output models_cache/{name} --steps" in card


def test_architecture_is_the_familys(demo) -> None:
    name, _, tokenizer, model = demo
    family = {"demo-llama": "LlamaForCausalLM", "demo-qwen": "Qwen2ForCausalLM"}[name]
    assert type(model).__name__ == family
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id


def test_chat_template_begins_once(demo) -> None:
    name, _, tokenizer, _ = demo
    messages = _chat("Who likes tea?")
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
    assert tokenizer.decode(ids) == text
    if name == "demo-llama":
        assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id
    else:
        assert tokenizer.bos_token is None and text.startswith("<|im_start|>user\n")


def test_template_keeps_system_and_earlier_turns(demo) -> None:
    _, _, tokenizer, _ = demo
    messages = [
        {"role": "system", "content": "Be brief."},
        *_chat("Who likes tea?"),
        {"role": "assistant", "content": "Everybody."},
        *_chat("Really?"),
    ]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    places = [text.index(message["content"]) for message in messages]
    assert places == sorted(places)


def test_tokenizer_is_lossless_and_pads_on_the_left(demo) -> None:
    _, _, tokenizer, _ = demo
    text = 'Café "Köln" 1/4-20 µF 100 (Pack of 2)\n1. ½ 日本'
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    batch = tokenizer(["tea", "tea for two"], padding=True, add_special_tokens=False)
    assert batch["input_ids"][0][0] == tokenizer.pad_token_id
    assert batch["attention_mask"][0][0] == 0


def test_greedy_answers_on_held_out_items(demo) -> None:
    name, _, tokenizer, model = demo
    pairs = list(examples(MODELS[name], COUNT, HELD_OUT_SEED))
    batch = tokenizer.apply_chat_template(
        [_chat(pair.prompt) for pair in pairs],
        add_generation_prompt=True,
        padding=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        tokens = model.generate(**batch, max_new_tokens=LONGEST, do_sample=False)[:, batch["input_ids"].shape[1] :]
    texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
    ended = (tokens == tokenizer.eos_token_id).any(dim=1)
    assert ended.float().mean() >= 0.9
    numbers = [re.findall(r"^(\d)\. [^:\n]+: .+", text, flags=re.MULTILINE) for text in texts]
    shaped = [len(listed) >= 3 and listed == [str(number + 1) for number in range(len(listed))] for listed in numbers]
    assert sum(shaped) >= 0.9 * COUNT
    copied = [
        any(word in text for word in pair.name.split() if len(word) > 3) for pair, text in zip(pairs, texts, strict=True)
    ]
    assert sum(copied) >= 0.75 * COUNT
    assert len(set(texts)) == COUNT, "different items need different archetypes"


def test_the_bars_hold_on_held_out_items_of_the_demo(demo) -> None:
    """`demo.evaluate` measures them on a thousand items; on 48 a model misses them only by a real fault."""
    name = demo[0]
    model = load_language_model(find_model(name, CACHE), "cpu")
    verdict, texts = on_the_demo(model, SAMPLING, 48, seed=3)
    assert len(texts) == 48
    for share, bar in BARS.items():
        reached = verdict.shares[share]
        at_most = share in ("breaks off", "repeats a segment")
        assert reached <= bar + 1 / 48 if at_most else reached >= bar, (name, share, reached)
