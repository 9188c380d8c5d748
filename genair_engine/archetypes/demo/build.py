"""Builds a demo language model: generates its corpus, trains tokenizer and weights, writes a Hugging Face folder.

    python -m genair_engine.archetypes.demo.build --architecture llama --output models_cache/demo-llama

The model learns the answer's tokens only: the mean of their cross-entropy as they are and under the repetition penalty of
the product's sampling, so that under it names are still copied and lists still counted. Matrices are trained by Muon,
embeddings, norms and biases by AdamW, at a constant rate that falls to zero over the last part of the run. A run may start
from another version of the model (`--start`), which saves most of the time on a CPU. Weights are stored as float16.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.demo.card import Report, model_card
from genair_engine.archetypes.demo.corpus import examples
from genair_engine.archetypes.demo.tokenizer import MAX_POSITIONS, VOCABULARY, train_tokenizer
from genair_engine.archetypes.sampling import penalise

log = logging.getLogger(__name__)

STYLES = {"llama": "llama", "qwen2": "qwen"}
SEEDS = {"llama": 20, "qwen2": 25}
TOKENIZER_EXAMPLES = 6000
BATCH_TOKENS = 3072
MATRIX_RATE, OTHER_RATE = 5e-3, 3e-3
WARMUP, COOLDOWN = 0.02, 0.6
STARTED_RATE = 0.5
"""Learning rates of a run that starts from another model, relative to those above."""
PENALTY = Sampling().repetition_penalty
EXPORT_SECONDS = 300.0
_LENGTH_STEP, _TARGET_STEP, _IGNORED = 16, 512, -100


def build_model(architecture: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """An untrained model of a few million parameters; the random state of torch decides its weights."""
    shared = {
        "vocab_size": VOCABULARY,
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": MAX_POSITIONS,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(num_key_value_heads=4, **shared))
    return Qwen2ForCausalLM(Qwen2Config(num_key_value_heads=2, **shared))


def start_from(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Gives the model the weights of another one of the same shape; a token that the other vocabulary lacks starts as the
    mean of the tokens that it writes it with."""
    old, spelling = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
    known, vectors = spelling.get_vocab(), old.get_input_embeddings().weight.detach()
    fresh = torch.empty_like(model.get_input_embeddings().weight)
    for token, number in tokenizer.get_vocab().items():
        same = known.get(token)
        text = tokenizer.backend_tokenizer.decoder.decode([token])
        pieces = [same] if same is not None else spelling(text, add_special_tokens=False)["input_ids"]
        fresh[number] = vectors[pieces].mean(dim=0)
    weights = {name: value for name, value in old.state_dict().items() if "embed_tokens" not in name and "lm_head" not in name}
    model.load_state_dict(weights, strict=False)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(fresh)


@dataclass(frozen=True)
class EncodedCorpus:
    """Token ids of all examples, one after the other: example i is `tokens[offsets[i]:offsets[i + 1]]`, its answer
    (with the end token) starts at `answers[i]`."""

    tokens: np.ndarray
    offsets: np.ndarray
    answers: np.ndarray


def encode(tokenizer: PreTrainedTokenizerFast, style: str, count: int, seed: int) -> EncodedCorpus:
    """Generates `count` examples and encodes them through the chat template."""
    pairs = list(examples(style, count, seed))
    chats = [[{"role": "user", "content": pair.prompt}] for pair in pairs]
    prompts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
    prompt_ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    answers = [pair.answer + tokenizer.eos_token for pair in pairs]
    answer_ids = tokenizer(answers, add_special_tokens=False)["input_ids"]
    lengths = np.array([(len(prompt), len(text)) for prompt, text in zip(prompt_ids, answer_ids, strict=True)])
    offsets = np.concatenate(([0], lengths.sum(axis=1).cumsum()))
    flat = chain.from_iterable(chain(*pair) for pair in zip(prompt_ids, answer_ids, strict=True))
    return EncodedCorpus(np.fromiter(flat, dtype=np.int32), offsets, offsets[:-1] + lengths[:, 0])


def batches(corpus: EncodedCorpus, pad: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of about `BATCH_TOKENS` tokens of nearly equal length: ids [batch, length], padded on the right,
    and a mask [batch, length] of the answer's tokens. Lengths are multiples of 16: few shapes, so that the CPU's
    matrix kernels are compiled only once each."""
    rng = np.random.default_rng(seed)
    lengths = np.diff(corpus.offsets)
    while True:
        order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)))
        widths = -(-np.maximum.accumulate(lengths[order]) // _LENGTH_STEP) * _LENGTH_STEP
        groups = np.split(order, np.flatnonzero(np.diff(widths)) + 1)
        parts = []
        for width, group in zip(np.unique(widths), groups, strict=True):
            rows = max(1, BATCH_TOKENS // int(width))
            parts += [(int(width), group[i : i + rows]) for i in range(0, len(group) - rows + 1, rows)]
        for index in rng.permutation(len(parts)):
            width, rows = parts[index]
            places = np.arange(width)
            valid = places < lengths[rows][:, None]
            positions = corpus.offsets[rows][:, None] + places
            ids = np.where(valid, corpus.tokens[np.where(valid, positions, 0)], pad)
            target = valid & (positions >= corpus.answers[rows][:, None])
            yield torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(target)


def answer_loss(model: PreTrainedModel, ids: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy of the answer's tokens, in nats, half of it under the repetition penalty (see the module's first
    paragraph); logits are computed only where they are needed (rounded up to a multiple of 512 positions, again for few
    shapes)."""
    states = model.get_decoder()(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    wanted = target[:, 1:].flatten().nonzero()[:, 0]
    places = nn.functional.pad(wanted, (0, -len(wanted) % _TARGET_STEP))
    labels = nn.functional.pad(ids[:, 1:].flatten()[wanted], (0, -len(wanted) % _TARGET_STEP), value=_IGNORED)
    logits = model.get_output_embeddings()(states.flatten(0, 1)[places]).float()
    width = ids.shape[1] - 1
    first = torch.full((len(ids), logits.shape[-1]), width, device=ids.device)  # where a token is met first
    first.scatter_reduce_(1, ids[:, :-1], torch.arange(width, device=ids.device).expand(len(ids), -1), "amin")
    seen = first[places // width] <= (places % width)[:, None]
    return torch.stack(
        [
            nn.functional.cross_entropy(scores, labels, ignore_index=_IGNORED)
            for scores in (logits, penalise(logits, seen, PENALTY))
        ]
    ).mean()


def optimizers(model: PreTrainedModel, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for everything else; rate: relative to the usual learning rates."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=rate * MATRIX_RATE, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate * OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate_factor(progress: float) -> float:
    """Learning rate relative to its peak at a share `progress` of the run: warm-up, plateau, linear fall to zero."""
    return max(0.0, min(1.0, (progress + 1e-3) / WARMUP, (1.0 - progress) / COOLDOWN))


def train(
    model: PreTrainedModel,
    stream: Iterator[tuple[Tensor, Tensor]],
    steps: int | None,
    minutes: float,
    device: torch.device,
    export: Callable[[int, int, float, float], None],
    rate: float = 1.0,
) -> None:
    """Trains for `steps` steps, or for `minutes` where steps is None; calls `export(steps, tokens, minutes, loss)`
    every few minutes and at the end, with the loss averaged over about the last hundred steps."""
    model.to(device).train()
    tools = optimizers(model, rate)
    peaks = [group["lr"] for tool in tools for group in tool.param_groups]
    start = exported = time.monotonic()
    tokens, smooth, step = 0, 0.0, 0
    while True:
        elapsed = time.monotonic() - start
        progress = step / steps if steps else elapsed / (60 * minutes)
        if progress >= 1:
            break
        for group, peak in zip((g for tool in tools for g in tool.param_groups), peaks, strict=True):
            group["lr"] = peak * rate_factor(progress)
        ids, target = next(stream)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = answer_loss(model, ids.to(device), target.to(device))
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for tool in tools:
            tool.step()
            tool.zero_grad()
        step, tokens = step + 1, tokens + ids.numel()
        value = loss.item()
        smooth = value if step == 1 else smooth + (value - smooth) * max(0.01, 1 / step)
        if step % 20 == 0:
            seconds = time.monotonic() - start
            log.info(
                "step %d loss %.3f mean %.3f %.0f tokens/s %.1f min",
                step,
                value,
                smooth,
                tokens / seconds,
                seconds / 60,
            )
        if time.monotonic() - exported > EXPORT_SECONDS:
            exported = time.monotonic()
            export(step, tokens, elapsed / 60, smooth)
    export(step, tokens, (time.monotonic() - start) / 60, smooth)


def hardware(device: torch.device) -> str:
    """What a run trained on, for the card."""
    if device.type == "cuda":
        return f"one {torch.cuda.get_device_name(device)}"
    return f"{torch.get_num_threads()} CPU thread{'s' if torch.get_num_threads() > 1 else ''} of a shared machine"


def write_folder(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, report: Report, output: Path) -> None:
    """Writes config, float16 weights, tokenizer and card to `output`, replacing what was there in one move."""
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    fresh.chmod(0o755)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    half = {name: tensor.detach().half().cpu() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    model.save_pretrained(fresh, state_dict=half)
    tokenizer.save_pretrained(fresh)
    (fresh / "README.md").write_text(model_card(output.name, report), "utf-8")
    old = fresh.with_name(f"{fresh.name}-old")
    if output.exists():
        os.replace(output, old)
    os.replace(fresh, output)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments: list[str] | None = None) -> None:
    """The command line: see the module's first paragraph and `--help`."""
    parser = argparse.ArgumentParser(description="Build a demo language model from text that this project generates.")
    parser.add_argument("--architecture", choices=sorted(STYLES), required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, e.g. models_cache/demo-llama")
    parser.add_argument("--minutes", type=float, default=40.0, help="training time where --steps is not given")
    parser.add_argument("--steps", type=int, help="exact number of steps: the same seed then gives the same run")
    parser.add_argument("--examples", type=int, default=50_000, help="examples in the generated corpus")
    parser.add_argument("--start", type=Path, help="folder of another version of the model to start from")
    parser.add_argument("--start-note", default="", help="what that is, for the card: which commit's version, for example")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    options = parser.parse_args(arguments)
    if bool(options.start) != bool(options.start_note):
        parser.error("--start and --start-note go together: a card must say what a model is made of")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    architecture, seed = options.architecture, SEEDS[options.architecture]
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device)
    torch.manual_seed(seed)
    samples = chain.from_iterable(examples(style, TOKENIZER_EXAMPLES, seed=0) for style in sorted(STYLES.values()))
    tokenizer = train_tokenizer((f"{sample.prompt}\n{sample.answer}" for sample in samples), architecture)
    corpus = encode(tokenizer, STYLES[architecture], options.examples, seed)
    model = build_model(architecture, tokenizer)
    if options.start:
        start_from(options.start, model, tokenizer)
    log.info("%d parameters, %d tokens in the corpus", model.num_parameters(), len(corpus.tokens))

    def export(steps: int, tokens: int, minutes: float, loss: float) -> None:
        run = (options.examples, steps, tokens, minutes, loss, model.num_parameters(), hardware(device))
        report = Report(architecture, seed, *run, start=options.start_note)
        write_folder(model, tokenizer, report, options.output)
        log.info("exported %s", json.dumps(asdict(report)))

    rate = STARTED_RATE if options.start else 1.0
    train(model, batches(corpus, tokenizer.pad_token_id, seed), options.steps, options.minutes, device, export, rate)


if __name__ == "__main__":
    main()
