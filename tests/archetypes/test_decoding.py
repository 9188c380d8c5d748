"""The decoding loop against plain transformers: states of one full forward pass, answers of `generate`."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from genair_engine.archetypes.backends import Completion, Sampling
from genair_engine.archetypes.decoding import Answer, Decoder, left_pad, masked_mean
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
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


def decode(model: AutoModelForCausalLM, eos: list[int], prompts, budgets, seeds, sampling, slots: int = 64) -> list[Answer]:
    """The answers in the order of the prompts."""
    decoding = Decoder(model, eos).start(prompts, budgets, seeds, sampling, slots)
    answers: dict[int, Answer] = {}
    while not decoding.finished:
        finished = dict(decoding.step())
        assert not finished.keys() & answers.keys()
        answers |= finished
    return [answers[i] for i in range(len(prompts))]


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
    sampling = Sampling(max_new_tokens=24)
    decoded = decode(load_plain(models_dir / name)[0], [1], prompts, [24] * 5, SEEDS, sampling)
    assert len({len(p) for p in prompts}) > 1, "padding must be at work"
    assert_states(model, prompts, decoded)


@BOTH
def test_greedy_answers_are_those_of_generate(models_dir: Path, name: str) -> None:
    model, prompts = load_plain(models_dir / name)
    sampling = Sampling(max_new_tokens=24, greedy=True)
    decoded = decode(load_plain(models_dir / name)[0], [1], prompts, [24] * 5, SEEDS, sampling)
    for prompt, answer in zip(prompts, decoded, strict=True):
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
        assert answer.tokens == [t for t in expected[0, len(prompt) :].tolist() if t != 1]


@pytest.mark.parametrize("slots", [2, 9, 64])
def test_slots_go_from_answer_to_answer(stopping_dir: Path, slots: int) -> None:
    """Answers and prompts of many lengths: whatever the slots, each is as if it were alone."""
    eos = set(range(1, 340, 60))
    plain, prompts = load_plain(stopping_dir / "tiny-llama")
    prompts = [prompt[:-cut] + prompt[-1:] for cut in (1, 30, 9, 20) for prompt in prompts] * 2
    seeds, sampling = range(len(prompts)), Sampling(max_new_tokens=90, temperature=2.0)
    model = load_plain(stopping_dir / "tiny-llama")[0]
    decoded = decode(model, eos, prompts, [90] * len(prompts), seeds, sampling, slots)
    lengths = [len(answer.tokens) for answer in decoded]
    assert min(lengths) >= 1 and max(lengths) > 64 and len(set(lengths)) > 12, "rows must end at different steps"
    assert [answer.ended for answer in decoded] == [length < 90 for length in lengths]
    assert not eos & {token for answer in decoded for token in answer.tokens}
    assert_states(plain, prompts, decoded)
    alone = decode(model, eos, prompts[3:4], [90], [3], sampling)
    assert alone[0].tokens == decoded[3].tokens


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


def assert_states(plain: AutoModelForCausalLM, prompts: list[list[int]], decoded: list[Answer]) -> None:
    for prompt, answer in zip(prompts, decoded, strict=True):
        prefill, decoding = full_forward(plain, prompt, answer.tokens)
        np.testing.assert_allclose(answer.prefill, prefill, atol=1e-5)
        np.testing.assert_allclose(answer.decoding, decoding, atol=1e-5)


def assert_same(completion: Completion, expected: Completion) -> None:
    assert (completion.text, completion.generated_tokens, completion.finish) == (
        expected.text,
        expected.generated_tokens,
        expected.finish,
    )
    np.testing.assert_allclose(completion.prefill, expected.prefill, atol=1e-5)
    np.testing.assert_allclose(completion.decoding, expected.decoding, atol=1e-5)


def test_a_seed_moves_its_own_item_only(models_dir: Path) -> None:
    model = load_language_model(find_model("tiny-llama", models_dir), "cpu")
    sampling = Sampling(max_new_tokens=20)
    first = [c.text for c in model.generate(PROMPTS, SEEDS, sampling)]
    second = [c.text for c in model.generate(PROMPTS, [99, *SEEDS[1:]], sampling)]
    assert first[0] != second[0]
    assert first[1:] == second[1:]


def test_each_row_has_its_own_budget(models_dir: Path) -> None:
    model, prompts = load_plain(models_dir / "tiny-llama")
    decoded = decode(model, [], prompts, [1, 9, 4, 2, 7], SEEDS, Sampling())
    assert [len(answer.tokens) for answer in decoded] == [1, 9, 4, 2, 7]
    assert not any(answer.ended for answer in decoded)


def test_no_states_are_kept(models_dir: Path) -> None:
    """Each step's are summed and gone: nothing grows with steps x layers."""
    model, prompts = load_plain(models_dir / "tiny-llama")
    seen: list[weakref.ref[torch.Tensor]] = []
    alive = []

    def look(_module, _inputs, output) -> None:
        alive.append(sum(reference() is not None for reference in seen))
        seen.append(weakref.ref(output.last_hidden_state))

    model.base_model.register_forward_hook(look)
    decode(model, [], prompts, [12] * 5, SEEDS, Sampling())
    assert len(seen) == 5 + 12  # each prompt, then all of their tokens, the last one too
    assert max(alive) <= 1 and sum(reference() is not None for reference in seen) == 0


def test_left_padding_and_masked_mean() -> None:
    ids, mask = left_pad([[5, 6, 7], [8]], torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    states = torch.tensor([[[1.0], [2.0], [6.0]], [[torch.nan], [torch.inf], [4.0]]], dtype=torch.bfloat16)
    mean = masked_mean(states, mask)
    assert mean.dtype == torch.float32 and mean.tolist() == [[3.0], [4.0]]
