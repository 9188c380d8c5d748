"""The decoding loop against plain transformers: states of one full forward pass, answers of `generate`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from genair_engine.archetypes.backends import Completion, Sampling, load_language_model
from genair_engine.archetypes.decoding import Decoder, left_pad, masked_mean
from genair_engine.archetypes.sampling import uniforms
from genair_engine.archetypes.sources import find_model
from tests.tiny_language_models import PROMPTS, save_model

SEEDS = [11, 12, 13, 14, 15]
BOTH = pytest.mark.parametrize("name", ["tiny-llama", "tiny-qwen"])


def load_plain(folder: Path) -> tuple[AutoModelForCausalLM, list[list[int]]]:
    """The model as transformers loads it, and the prompts' token ids in its chat template."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [
        tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True)
        for p in PROMPTS
    ]
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), ids


def full_forward(model: AutoModelForCausalLM, prompt: list[int], answer: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Means over prompt and answer from one forward pass without padding or cache."""
    with torch.no_grad():
        states = model(torch.tensor([prompt + answer]), output_hidden_states=True).hidden_states[-1][0]
    return states[: len(prompt)].mean(0).numpy(), states[len(prompt) :].mean(0).numpy()


@pytest.fixture(scope="module")
def stopping_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny-llama with every twelfth token as an end of answer: answers of many lengths."""
    folder = save_model(tmp_path_factory.mktemp("stopping") / "tiny-llama", "llama")
    path = folder / "generation_config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = list(range(1, 340, 12))
    path.write_text(json.dumps(config))
    return folder.parent


@BOTH
def test_means_equal_those_of_one_full_forward(models_dir: Path, name: str) -> None:
    model, prompts = load_plain(models_dir / name)
    decoded = Decoder(load_plain(models_dir / name)[0], eos=[1]).decode(
        prompts, [24] * 5, uniforms(SEEDS, 24), Sampling(max_new_tokens=24)
    )
    assert len({len(p) for p in prompts}) > 1, "padding must be at work"
    for row, prompt in enumerate(prompts):
        prefill, decoding = full_forward(model, prompt, decoded.tokens[row])
        np.testing.assert_allclose(decoded.prefill[row], prefill, atol=1e-5)
        np.testing.assert_allclose(decoded.decoding[row], decoding, atol=1e-5)


@BOTH
def test_greedy_answers_are_those_of_generate(models_dir: Path, name: str) -> None:
    model, prompts = load_plain(models_dir / name)
    sampling = Sampling(max_new_tokens=24, greedy=True)
    decoded = Decoder(load_plain(models_dir / name)[0], eos=[1]).decode(prompts, [24] * 5, uniforms(SEEDS, 24), sampling)
    for prompt, answer in zip(prompts, decoded.tokens, strict=True):
        ids = torch.tensor([prompt])
        expected = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            repetition_penalty=1.2,
            max_new_tokens=24,
            min_new_tokens=1,
            pad_token_id=0,
        )
        assert answer == [t for t in expected[0, len(prompt) :].tolist() if t != 1]


def test_answers_end_at_any_eos_and_finished_rows_are_ignored(stopping_dir: Path) -> None:
    eos = set(range(1, 340, 12))
    plain, prompts = load_plain(stopping_dir / "tiny-llama")
    prompts = prompts * 3
    model = load_plain(stopping_dir / "tiny-llama")[0]
    sampling = Sampling(max_new_tokens=20, temperature=1.5)
    decoded = Decoder(model, eos).decode(prompts, [20] * 15, uniforms(range(15), 20), sampling)
    lengths = [len(tokens) for tokens in decoded.tokens]
    assert min(lengths) >= 1 and len(set(lengths)) > 4, "rows must leave the batch at different steps"
    assert decoded.ended == [length < 20 for length in lengths]
    for row, prompt in enumerate(prompts):
        assert not eos & set(decoded.tokens[row])
        prefill, decoding = full_forward(plain, prompt, decoded.tokens[row])
        np.testing.assert_allclose(decoded.prefill[row], prefill, atol=1e-5)
        np.testing.assert_allclose(decoded.decoding[row], decoding, atol=1e-5)


@pytest.mark.parametrize("greedy", [True, False])
@BOTH
def test_batch_size_and_order_change_nothing(stopping_dir: Path, models_dir: Path, name: str, greedy: bool) -> None:
    folder = stopping_dir if name == "tiny-llama" else models_dir
    model = load_language_model(find_model(name, folder), "cpu")
    sampling = Sampling(max_new_tokens=30, greedy=greedy)
    alone = {i: c for batch in model.generate_batches(PROMPTS, SEEDS, sampling, 1) for i, c in batch}
    assert len({c.text for c in alone.values()}) == len(PROMPTS)
    for order, batch_size in ([0, 1, 2, 3, 4], 5), ([4, 2, 0, 3, 1], 2), ([3, 0, 1, 4, 2], 3):
        texts, seeds = [PROMPTS[i] for i in order], [SEEDS[i] for i in order]
        for batch in model.generate_batches(texts, seeds, sampling, batch_size):
            for place, completion in batch:
                assert_same(completion, alone[order[place]])


def assert_same(one: Completion, other: Completion) -> None:
    assert (one.text, one.generated_tokens, one.finish) == (other.text, other.generated_tokens, other.finish)
    np.testing.assert_allclose(one.prefill, other.prefill, atol=1e-5)
    np.testing.assert_allclose(one.decoding, other.decoding, atol=1e-5)


def test_a_seed_moves_its_own_item_only(models_dir: Path) -> None:
    model = load_language_model(find_model("tiny-llama", models_dir), "cpu")
    sampling = Sampling(max_new_tokens=20)
    first = [c.text for c in model.generate(PROMPTS, SEEDS, sampling)]
    second = [c.text for c in model.generate(PROMPTS, [99, *SEEDS[1:]], sampling)]
    assert first[0] != second[0]
    assert first[1:] == second[1:]


def test_each_row_has_its_own_budget(models_dir: Path) -> None:
    model, prompts = load_plain(models_dir / "tiny-llama")
    decoded = Decoder(model, eos=[]).decode(prompts, [1, 9, 4, 2, 7], uniforms(SEEDS, 9), Sampling())
    assert [len(tokens) for tokens in decoded.tokens] == [1, 9, 4, 2, 7]
    assert not any(decoded.ended)


def test_only_one_steps_states_are_kept(models_dir: Path) -> None:
    """The hook sees every step; what it saw before is gone, so memory does not grow with steps x layers."""
    model, prompts = load_plain(models_dir / "tiny-llama")
    held = []
    decoder = Decoder(model, eos=[])
    model.base_model.register_forward_hook(lambda *_: held.append(decoder._states.numel()))
    decoder.decode(prompts, [12] * 5, uniforms(SEEDS, 12), Sampling())
    assert len(held) == 13  # the prompts, then each of the 12 tokens, the last one too
    assert held[1:] == [5 * 32] * 12


def test_left_padding_and_masked_mean() -> None:
    ids, mask = left_pad([[5, 6, 7], [8]], torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    states = torch.tensor([[[1.0], [2.0], [6.0]], [[torch.nan], [torch.inf], [4.0]]], dtype=torch.bfloat16)
    mean = masked_mean(states, mask)
    assert mean.dtype == torch.float32 and mean.tolist() == [[3.0], [4.0]]
