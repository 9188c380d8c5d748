"""How good a demo language model is: `python -m genair_engine.archetypes.demo.evaluate models_cache/demo-llama`.

The model writes archetypes of the demo catalogue's items, which are never part of its training text, as the demo has it
(same prompt and sampling), and the texts are compared with what was planted. `--other FOLDER` names data sets of
other kinds, from which a sample of items must get a well-formed list of segments.

| line | share of archetypes |
|---|---|
| names the kind | that call the item what it is (the catalogue's name of its kind, which is no part of its metadata as such) |
| names an audience | with at least one segment for an audience that the item was planted for |
| names all audiences | with a segment for every one of them |
| first segment is right | whose first segment is for one of them |
| breaks off | that were cut, or do not end as a sentence does |
| repeats a segment | that name one group twice |
| copies the name | that hold the item's name letter by letter |
| well-formed list | with at least three segments "who: why", none of them empty or cut |
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genair_engine.archetypes.backends import Completion, LanguageModel, Sampling, in_order
from genair_engine.archetypes.demo import SAMPLING
from genair_engine.archetypes.demo.corpus import shop_example
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.segments import split_segments
from genair_engine.catalog.demo import DemoItem, audiences, demo_catalogue
from genair_engine.catalog.readers import read_dataset
from genair_engine.settings import Settings

BARS = {"names the kind": 0.95, "names an audience": 0.90, "breaks off": 0.0, "repeats a segment": 0.02}
"""What the embedded models must reach: at least the first two shares, at most the other two."""

BATCH = 64
_LINE_END = re.compile(r"""[.:!?)"'”]$""")


@dataclass(frozen=True)
class Verdict:
    """Shares by name (see the module's table), and how much was written. words, segments: means an archetype."""

    shares: dict[str, float]
    archetypes: int
    words: float
    segments: float
    seconds: float

    def lines(self) -> list[str]:
        """The verdict for a terminal, with the bars."""
        head = (
            f"{self.archetypes} archetypes, {self.words:.0f} words and {self.segments:.1f} segments each, {self.seconds:.0f} s"
        )
        rows = []
        for name, share in self.shares.items():
            bar = BARS.get(name)
            sense = "at most" if name in ("breaks off", "repeats a segment") else "at least"
            rows.append(f"  {name:<24}{share:>8.1%}" + (f"   ({sense} {bar:.0%})" if bar is not None else ""))
        return [head, *rows]


def judge(item: DemoItem, name: str, completion: Completion) -> dict[str, bool]:
    """What is true of the archetype of a demo item that is called `name`."""
    text = completion.text
    heads = [segment.partition(":")[0].strip().lower() for segment in split_segments(text).audiences]
    meant = [{audiences()[name].broad.lower(), audiences()[name].focused.lower()} for name in item.audiences]
    named = [bool(names & set(heads)) for names in meant]
    return {
        "names the kind": item.kind.name.lower() in text.lower(),
        "names an audience": any(named),
        "names all audiences": all(named),
        "first segment is right": any(names & set(heads[:1]) for names in meant),
        "breaks off": breaks_off(completion),
        "repeats a segment": len(set(heads)) < len(heads),
        "copies the name": name.lower() in text.lower(),
        "well-formed list": well_formed(completion),
    }


def breaks_off(completion: Completion) -> bool:
    """Whether the text was cut at its greatest length, or one of its lines does not end as a sentence does."""
    lines = completion.text.strip().splitlines()
    return completion.finish == "length" or not lines or not all(_LINE_END.search(line.strip()) for line in lines)


def well_formed(completion: Completion) -> bool:
    """Whether the text lists at least three segments "who: why" and does not break off."""
    parts = [segment.partition(":") for segment in split_segments(completion.text).audiences]
    return len(parts) >= 3 and all(who.strip() and why.strip() for who, _, why in parts) and not breaks_off(completion)


def on_the_demo(model: LanguageModel, sampling: Sampling, count: int, seed: int) -> tuple[Verdict, list[Completion]]:
    """The verdict over `count` items of the demo catalogue, drawn by the seed, and the texts."""
    items = random.Random(seed).sample(demo_catalogue().items, k=count)
    examples = [shop_example(item, "llama", random.Random(0)) for item in items]
    completions, seconds = _write(model, [example.prompt for example in examples], sampling, seed)
    facts = [judge(*each) for each in zip(items, [e.name for e in examples], completions, strict=True)]
    return _verdict(facts, completions, seconds), completions


def on_others(model: LanguageModel, sampling: Sampling, path: Path, count: int, seed: int) -> Verdict:
    """The verdict over `count` items of another data set."""
    attributes = read_dataset(path, "other").dataset.items["attributes"].tolist()
    prompts = [PAPER.render(item) for item in random.Random(seed).sample(attributes, k=min(count, len(attributes)))]
    completions, seconds = _write(model, prompts, sampling, seed)
    facts = [{"well-formed list": well_formed(completion), "breaks off": breaks_off(completion)} for completion in completions]
    return _verdict(facts, completions, seconds)


def _write(model: LanguageModel, prompts: Sequence[str], sampling: Sampling, seed: int) -> tuple[list[Completion], float]:
    started = time.perf_counter()
    batches = model.generate_batches(prompts, [seed + number for number in range(len(prompts))], sampling, BATCH)
    return in_order(batches), time.perf_counter() - started


def _verdict(facts: list[dict[str, bool]], completions: list[Completion], seconds: float) -> Verdict:
    return Verdict(
        shares={name: float(np.mean([fact[name] for fact in facts])) for name in facts[0]},
        archetypes=len(completions),
        words=float(np.mean([len(completion.text.split()) for completion in completions])),
        segments=float(np.mean([len(split_segments(completion.text).audiences) for completion in completions])),
        seconds=seconds,
    )


def main(arguments: list[str] | None = None) -> None:
    """The command line: see the module's first paragraphs and `--help`."""
    parser = argparse.ArgumentParser(description="Measure a demo language model against what the demo catalogue plants.")
    parser.add_argument("model", help="a folder, or a name in models_cache")
    parser.add_argument("--items", type=int, default=1000, help="items of the demo catalogue to write about")
    parser.add_argument("--other", type=Path, action="append", default=[], help="a data set of another kind; repeatable")
    parser.add_argument("--other-items", type=int, default=200, help="items to write about of each of these")
    parser.add_argument("--greedy", action="store_true", help="always the likeliest token, instead of the product's sampling")
    parser.add_argument("--penalty", type=float, default=SAMPLING.repetition_penalty, help="repetition penalty; 1 is none")
    parser.add_argument("--temperature", type=float, default=SAMPLING.temperature, help="the paper's is 0.6")
    parser.add_argument("--seed", type=int, default=0, help="which items, and what is drawn for them")
    parser.add_argument("--show", type=int, default=0, help="print so many of the texts, too")
    options = parser.parse_args(arguments)

    model = load_language_model(find_model(options.model, Settings().models_dir))
    sampling = Sampling(greedy=options.greedy, temperature=options.temperature, repetition_penalty=options.penalty)
    verdict, completions = on_the_demo(model, sampling, options.items, options.seed)
    how = f"{'greedy' if options.greedy else 'sampled'}, repetition penalty {options.penalty:g}"
    _print([f"{model.model_id} on the demo catalogue, {how}", *verdict.lines()])
    for path in options.other:
        verdict = on_others(model, sampling, path, options.other_items, options.seed)
        _print([f"{model.model_id} on {path.name}", *verdict.lines()])
    _print([f"\n{completion.text}" for completion in completions[: options.show]])


def _print(lines: list[str]) -> None:
    print("\n".join(lines), flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    main()
