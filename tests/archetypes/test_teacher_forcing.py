"""Reading given texts, against one plain forward pass over prompt and answer.

`test_decoding` holds what is kept while writing against the same pass.
"""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from genair_engine.archetypes.backends import LanguageModel
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.errors import InputError, ModelError, NonFiniteError
from tests.tiny_language_models import PROMPTS

ANSWERS = [
    "1. Electricians: they measure voltage.",
    "Students",
    "1. Home cooks: they bake.\n2. Nurses: they keep clean.\n\nAnd others.",
    "Glass </s> and <|user|> stay text.",
    "Anyone with eyes.",
]


@pytest.fixture(scope="module", params=["tiny-llama", "tiny-qwen"])
def model(request, models_dir):
    return load_language_model(find_model(request.param, models_dir), "cpu")


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_the_means_are_those_of_one_full_forward(models_dir, model, batch_size):
    folder = models_dir / model.model_id
    plain, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    prefill, decoding = model.embed(PROMPTS, ANSWERS, batch_size=batch_size)
    assert prefill.shape == decoding.shape == (5, 32)
    assert prefill.dtype == decoding.dtype == np.float32
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        asked = model.tokenize(prompt)
        answered = tokenizer(
            answer.replace("</s>", "< /s>").replace("<|user|>", "< |user|>"), add_special_tokens=False
        ).input_ids
        with torch.no_grad():
            states = plain(torch.tensor([asked + answered]), output_hidden_states=True).hidden_states[-1][0].numpy()
        np.testing.assert_allclose(prefill[row], states[: len(asked)].mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(decoding[row], states[len(asked) :].mean(axis=0), atol=1e-5)


def test_texts_that_cannot_be_read_are_named(model):
    with pytest.raises(InputError, match="text of item 'b' is empty"):
        model.embed(PROMPTS[:2], ["some", " "], names=["item 'a'", "item 'b'"])
    with pytest.raises(InputError, match=r"text of text 0 has 1,\d+ tokens.*shorten"):
        model.embed(PROMPTS[:1], ["x y " * 500])
    with pytest.raises(InputError, match="2 prompts need as many answers"):
        model.embed(PROMPTS[:2], ["one"])


def test_states_that_are_not_finite_name_the_text(model, monkeypatch):
    weight = model._model.base_model.norm.weight
    monkeypatch.setattr(weight, "data", torch.full_like(weight, torch.nan))
    with pytest.raises(NonFiniteError, match="states of text 0"):
        model.embed(PROMPTS[:1], ANSWERS[:1])


def test_a_model_elsewhere_cannot_read():
    class Elsewhere(LanguageModel):
        model_id = "far-llama"

        def answer(self, work):
            return iter(())

    with pytest.raises(ModelError, match="far-llama is not on this machine"):
        Elsewhere().embed(["a"], ["b"])
