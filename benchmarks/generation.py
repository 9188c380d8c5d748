"""Writing archetypes: `python -m benchmarks.generation [--model demo-llama] [--items 512] [--rounds 2]`, Markdown on stdout.

The baseline is the scheme by which the paper's public code gets its states (methods.md 3.1 and 3.5; a reconstruction, its code
was not at hand): batches of 16 in the file's order, Hugging Face's `generate` with `output_hidden_states=True`, each step's
states copied to the CPU and averaged afterwards. Both write archetypes of the same items of the demo catalogue with the same
model, sampling and threads, in turn, every measurement in a process of its own. Memory is the process's peak above what it
held once the model was loaded and used. What collecting the states costs is measured in one process: the same decoder writes
the same texts with and without it, a step each in turn.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import psutil
import torch

from genair_engine.archetypes.backends import BATCH_SIZE, LanguageModel, Sampling, in_order
from genair_engine.archetypes.decoding import Decoding
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.catalog.demo import demo_catalogue, write_catalogue
from genair_engine.catalog.readers import read_dataset
from genair_engine.devices import peak_memory
from genair_engine.settings import Settings

PUBLIC_BATCH = 16
MEMORY_BATCH = 64
SAMPLING = Sampling()  # the public code's
SPEED, MEMORY, OVERHEAD = 3.0, 1 / 3, 0.05
"""Bars: so many times the baseline's items a second, so much of its memory, so much time for the states."""


@dataclass(frozen=True)
class Measured:
    """Of one process: items, tokens of their answers, seconds, peak MB above the loaded model."""

    items: int
    tokens: int
    seconds: float
    megabytes: float


def demo_prompts(items: int | None) -> list[str]:
    """The prompts of so many items of the demo catalogue, evenly over the file and in its order; None: all."""
    with tempfile.TemporaryDirectory() as folder:
        write_catalogue(demo_catalogue(), Path(folder))
        attributes = read_dataset(Path(folder), "demo").dataset.items["attributes"].tolist()
    step = len(attributes) / min(items or len(attributes), len(attributes))
    return [PAPER.render(attributes[int(number * step)]) for number in range(int(len(attributes) / step))]


def load(model: str) -> LanguageModel:
    return load_language_model(find_model(model, Settings().models_dir), "cpu")


def ours(model: str, prompts: list[str], batch: int) -> Callable[[], int]:
    language_model = load(model)

    def write() -> int:
        batches = language_model.generate_batches(prompts, range(len(prompts)), SAMPLING, batch)
        return sum(completion.generated_tokens for completion in in_order(batches))

    return write


def public_scheme(model: str, prompts: list[str], batch: int) -> Callable[[], int]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = find_model(model, Settings().models_dir).folder
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    causal_lm = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    texts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)

    @torch.no_grad()
    def write() -> int:
        tokens = 0
        for start in range(0, len(texts), batch):
            asked = tokenizer(texts[start : start + batch], padding=True, add_special_tokens=False, return_tensors="pt")
            asked.pop("token_type_ids", None)
            out = causal_lm.generate(
                **asked,
                do_sample=True,
                temperature=SAMPLING.temperature,
                top_p=SAMPLING.top_p,
                repetition_penalty=SAMPLING.repetition_penalty,
                max_new_tokens=SAMPLING.max_new_tokens,
                output_hidden_states=True,
                return_dict_in_generate=True,
            )
            prompt_states = out.hidden_states[0][-1].cpu()
            answer_states = torch.stack([step[-1][:, -1].cpu() for step in out.hidden_states[1:]], dim=1)
            assert torch.isfinite(prompt_states.mean(dim=1)).all() and torch.isfinite(answer_states.mean(dim=1)).all()
            answers = out.sequences[:, asked["input_ids"].shape[1] :]
            tokenizer.batch_decode(answers, skip_special_tokens=True)
            tokens += int((answers != tokenizer.pad_token_id).sum())
        return tokens

    return write


WAYS: dict[str, Callable[[str, list[str], int], Callable[[], int]]] = {"ours": ours, "public": public_scheme}


def measure(way: str, model: str, items: int | None, batch: int, threads: int) -> Measured:
    """In this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    prompts = demo_prompts(items)
    write = WAYS[way](model, prompts, batch)
    write_two = WAYS[way](model, prompts[:2], 2)
    write_two()  # what is loaded and allocated with the first use
    held = psutil.Process().memory_info().rss / 1e6
    with peak_memory(torch.device("cpu")) as peak:
        started = time.perf_counter()
        tokens = write()
        seconds = time.perf_counter() - started
    return Measured(len(prompts), tokens, seconds, peak.megabytes - held)


class Plain(Decoding):
    """The same decoding without states."""

    def _begin_means(self, *_: Any) -> None:
        pass

    def _add(self, *_: Any) -> None:
        pass


def overhead(model: str, items: int, batch: int, threads: int) -> tuple[float, float]:
    """(wall time, CPU time) that collecting the states adds, as shares.

    Both write the same texts side by side, a step each in turn, so that what else happens on the machine happens to both.
    """
    torch.set_num_threads(threads)
    language_model: Any = load(model)
    ids = language_model._tokenize(demo_prompts(items))
    budgets, seeds = [SAMPLING.max_new_tokens] * len(ids), range(len(ids))
    kinds = (Plain, Decoding)
    pair = [kind(language_model._decoder, ids, budgets, seeds, SAMPLING, batch) for kind in kinds]
    used = {kind: [0.0, 0.0] for kind in kinds}
    for number in itertools.count():
        if pair[0].finished:
            break
        for decoding in pair if number % 2 else reversed(pair):
            wall, cpu = time.perf_counter(), time.process_time()
            decoding.step()
            used[type(decoding)][0] += time.perf_counter() - wall
            used[type(decoding)][1] += time.process_time() - cpu
    assert pair[1].finished
    return used[Decoding][0] / used[Plain][0] - 1, used[Decoding][1] / used[Plain][1] - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo-llama")
    parser.add_argument("--items", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, default=BATCH_SIZE, help="ours")
    parser.add_argument("--whole", action="store_true", help="ours over the whole catalogue, nothing else")
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")

    def apart(function: Callable[..., Any], *arguments: Any) -> Any:
        with processes.Pool(1) as pool:
            return pool.apply(function, arguments)

    def tell(name: str, batch: int, measured: Measured) -> None:
        rates = f"{measured.items / measured.seconds:.2f} | {measured.tokens / measured.seconds:,.0f}"
        cells = f"{measured.items} | {measured.tokens:,} | {measured.seconds:.1f} | {rates} | {measured.megabytes:,.0f}"
        print(f"| {name} | {batch} | {cells} | {os.getloadavg()[0]:.1f} |", flush=True)

    print(f"{options.model}, {options.threads} threads\n")
    print("| | batch | items | tokens | seconds | items/s | tokens/s | MB above the loaded model | load |")
    print("|---|---|---|---|---|---|---|---|---|")
    if options.whole:
        tell("ours", options.batch, apart(measure, "ours", options.model, None, options.batch, options.threads))
        return
    speed: dict[str, list[float]] = {"ours": [], "public": []}
    for _ in range(options.rounds):
        for way, batch in (("ours", options.batch), ("public", PUBLIC_BATCH)):
            measured = apart(measure, way, options.model, options.items, batch, options.threads)
            speed[way].append(measured.items / measured.seconds)
            tell(way, batch, measured)
    memory = {}
    for way in ("ours", "public"):
        measured = apart(measure, way, options.model, options.items, MEMORY_BATCH, options.threads)
        memory[way] = measured.megabytes
        tell(way, MEMORY_BATCH, measured)
    wall, cpu = apart(overhead, options.model, options.items, MEMORY_BATCH, options.threads)
    print(f"\nItems a second: {mean(speed['ours']) / mean(speed['public']):.1f} times (bar: {SPEED:.0f}).")
    print(f"Memory at batch {MEMORY_BATCH}: {memory['ours'] / memory['public']:.2f} of it (bar: {MEMORY:.2f}).")
    print(f"Collecting states: {wall:+.1%} of the time, {cpu:+.1%} of CPU time (bar: {OVERHEAD:.0%}).")


if __name__ == "__main__":
    main()
