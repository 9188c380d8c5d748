"""Tokenizers of the demo language models: one byte-level BPE, two sets of special tokens and chat templates.

Digits are single tokens and punctuation stands apart from words, so that sizes and model numbers can be copied piece
by piece. The Llama template writes the beginning-of-sequence token itself, as Llama 2's does: its text is encoded with
`add_special_tokens=False`. ChatML, as in Qwen2, has no such token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 4096
MAX_POSITIONS = 1024
_PIECES = Regex(r" ?\p{L}+|\p{N}|\n|[^\S\n]+(?!\S)| ?[^\s\p{L}\p{N}]|\s")


@dataclass(frozen=True)
class Dialect:
    """Special tokens and chat template of a model family; `bos` is empty where the family has none."""

    bos: str
    eos: str
    pad: str
    other: tuple[str, ...]
    template: str


DIALECTS = {
    "llama": Dialect(
        bos="<s>",
        eos="</s>",
        pad="<pad>",
        other=("[INST]", "[/INST]"),
        template=(
            "{% if messages[0]['role'] == 'system' %}"
            "{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}"
            "{% set turns = messages[1:] %}"
            "{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
            "{% for message in turns %}{% if message['role'] == 'user' %}"
            "{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}"
            "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
        ),
    ),
    "qwen2": Dialect(
        bos="",
        eos="<|im_end|>",
        pad="<|endoftext|>",
        other=("<|im_start|>",),
        template=(
            "{% for message in messages %}"
            "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
        ),
    ),
}


def train_tokenizer(texts: Iterable[str], architecture: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `VOCABULARY` entries with a family's special tokens and chat template; pads on the left."""
    dialect = DIALECTS[architecture]
    special = [token for token in (dialect.pad, dialect.bos, dialect.eos, *dialect.other) if token]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(_PIECES, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    if dialect.bos:
        bos = (dialect.bos, bpe.token_to_id(dialect.bos))
        bpe.post_processor = processors.TemplateProcessing(single=f"{dialect.bos} $A", special_tokens=[bos])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=dialect.bos or None,
        eos_token=dialect.eos,
        pad_token=dialect.pad,
        additional_special_tokens=list(dialect.other),
        chat_template=dialect.template,
        padding_side="left",
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )
