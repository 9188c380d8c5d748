"""Tiny random Llama and Qwen2 models with a BPE tokenizer of their own: real folders, real loading, milliseconds a token."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from genair_engine.archetypes.prompts.archetype import PAPER

PROMPTS = [
    PAPER.render({"title": "Digital Multimeter", "brand": "Volta", "categories": "Tools, Electrical"}),
    PAPER.render({"title": "Nitrile Gloves"}),
    PAPER.render({}),
    PAPER.render({"title": "Glass Beaker Set", "description": "Five borosilicate beakers, 50 to 1000 ml, with spout."}),
    PAPER.render({"title": "Safety Goggles", "brand": "SafeHand", "price": "12.50"}),
]
TEMPLATE = "{{ bos_token }}{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}<|assistant|>"


def save_tokenizer(folder: Path, chat_template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that puts <s> before every text, as Llama's does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(PROMPTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=chat_template)
    fast.save_pretrained(folder)
    return fast


def save_model(folder: Path, architecture: str, positions: int = 512) -> Path:
    """A random two-layer model of dimension 32; large weights, so that its states and answers are far from uniform."""
    torch.manual_seed(7)
    tokenizer = save_tokenizer(folder)
    config_class, model_class = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen": (Qwen2Config, Qwen2ForCausalLM),
    }[architecture]
    config = config_class(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    model_class(config).save_pretrained(folder)
    return folder
