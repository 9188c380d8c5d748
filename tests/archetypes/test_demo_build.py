"""Training the demo models: the loss is that of the answers with and without repetition penalty, a run can start from
another model, and the card tells how a model was made."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from genair_engine.archetypes.demo.build import PENALTY, answer_loss, main, start_from
from genair_engine.archetypes.demo.card import Report, model_card
from genair_engine.archetypes.demo.tokenizer import train_tokenizer

TEXTS = ["a sun hat for parents", "a tent for hikers", "trails and parents"] * 3


def tiny(vocabulary: int) -> PreTrainedModel:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, tie_word_embeddings=True, **shape)).eval()


def test_loss_is_the_mean_over_answers_with_and_without_penalty() -> None:
    model = tiny(30)
    ids = torch.randint(1, 30, (3, 9))
    target = torch.zeros(3, 9, dtype=torch.bool)
    for row, (start, end) in enumerate([(4, 9), (2, 6), (7, 8)]):
        target[row, start:end] = True
        ids[row, end:] = 0
    losses = []
    with torch.inference_mode():
        logits = model(ids).logits.double()
        for row, place in target.nonzero().tolist():
            scores = logits[row, place - 1]
            penalised = scores.clone()
            for token in set(ids[row, :place].tolist()):
                penalised[token] = scores[token] * PENALTY if scores[token] < 0 else scores[token] / PENALTY
            losses += [-torch.log_softmax(kind, dim=-1)[ids[row, place]] for kind in (scores, penalised)]
        assert answer_loss(model, ids, target).item() == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)


def test_start_from_another_model(tmp_path: Path) -> None:
    old_tokens, tokens = train_tokenizer(TEXTS[:3], "llama"), train_tokenizer(TEXTS, "llama")
    tokens.add_tokens(["hikersparents"])
    old, model = tiny(len(old_tokens)), tiny(len(tokens))
    torch.nn.init.normal_(old.model.layers[0].mlp.up_proj.weight)
    old.save_pretrained(tmp_path)
    old_tokens.save_pretrained(tmp_path)
    start_from(tmp_path, model, tokens)
    assert torch.equal(model.model.layers[0].mlp.up_proj.weight, old.model.layers[0].mlp.up_proj.weight)
    before, now = old.get_input_embeddings().weight, model.get_input_embeddings().weight
    for text in ("parents", " parents", "\n", "é"):
        for token in old_tokens.tokenize(text):
            if token in tokens.get_vocab():
                assert torch.equal(now[tokens.get_vocab()[token]], before[old_tokens.get_vocab()[token]]), token
    pieces = old_tokens("hikersparents", add_special_tokens=False)["input_ids"]
    assert len(pieces) > 1
    torch.testing.assert_close(now[tokens.get_vocab()["hikersparents"]], before[pieces].mean(dim=0))
    assert torch.equal(model.get_output_embeddings().weight, now), "tied"


def test_a_start_needs_a_note_for_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--architecture", "llama", "--output", str(tmp_path / "new"), "--start", str(tmp_path)])
    assert "--start-note" in capsys.readouterr().err


def test_card_tells_the_run_and_how_to_rebuild_it() -> None:
    run = ("qwen2", 25, 100, 7, 900, 12.0, 0.5, 1234, "one fast machine")
    card = model_card("demo-qwen", Report(*run))
    assert "12 minutes on one fast machine" in card and "| first weights | random |" in card and "--start" not in card
    assert "--output models_cache/demo-qwen --steps 7 --examples 100\n" in card
    assert "designed to differ" in card and "held out" in card
    assert '--start-note "version 1"' in model_card("demo-qwen", Report(*run, start="version 1"))
