"""Recommendation quality on amazon-scientific: `python -m benchmarks.quality [PART …] --workspace FOLDER`, Markdown on stdout.

Every figure is a run of the `sweep` verb; runs that the workspace already holds are taken as they are, so that an interrupted
benchmark goes on and parts can be made at the same time by several processes. What was chosen was chosen on validation items.

recipe: genair-id by the preset `studio` and what its pieces add; three seeds.
views: the recipe by what its representation is made of.
sasrec, bert4rec, gru4rec: every method × (BCE, softmax) on that backbone.
ablations: GenAIR without prefill, decoding and calibration, and other α and γ.
public-code: the preset with the public code's deviations beside the corrected form.
fusion: the recipe's scores plus those of the best floor, the weight chosen on validation items. Not a neural model alone.

Every table holds the floors (training-free; those of content read metadata and titles).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.data import SCIENTIFIC
from benchmarks.tables import print_rows
from genair_engine import verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.evaluation.metrics import metrics
from genair_engine.evaluation.protocol import Part, Protocol, evaluate
from genair_engine.interfaces import Recommender
from genair_engine.methods.floors.scores import WeightedSum
from genair_engine.methods.registry import METHODS as ALL_METHODS
from genair_engine.settings import Settings
from genair_engine.verbs.base import silent
from genair_engine.verbs.training.cells import train_or_reuse
from genair_engine.verbs.training.load import load_finished
from genair_engine.verbs.training.sweeping import floor_rows
from genair_engine.workspace import Workspace

NAME = "scientific"
ARCHETYPES = "demo-qwen"
METHODS = [name for name, method in ALL_METHODS.items() if method.tags.trained]
SEEDS = [42, 43, 44]

COMMON: dict[str, Any] = {
    "schedule": "cosine",
    "batch_size": 256,
    "learning_rate": 2e-3,
    "averaging": 0.95,
    "heads": 4,
    "dropout": 0.4,
    "projector_dropout": 0.2,
    "residual_decay": 2.0,
    "scaling": "parts",
    "patience": 12,
}
"""What all runs of the backbones' tables share."""
EPOCHS = {"ce": {"id": 40}, "bce": {"id": 80}}
OTHER_EPOCHS = {"ce": 20, "bce": 50}
"""Length of the learning-rate schedule, by loss and method: vectors that start at random need longer. Half for bert4rec,
whose epoch is two passes over the users, and for gru4rec, which is done sooner."""

VIEWS: dict[str, tuple[set[str], dict[str, Any]]] = {
    "metadata": ({"prefill"}, {}),
    "metadata, titles": ({"prefill", "title"}, {"title": True}),
    "metadata, archetypes": ({"prefill", "decoding"}, {"archetypes": ARCHETYPES}),
    "metadata, archetypes, titles": ({"prefill", "decoding", "title"}, {"archetypes": ARCHETYPES, "title": True}),
}
CHOSEN = "metadata, titles"
"""By validation NDCG@10 (part views); the archetype part is what GenAIR's own ablations need."""
FUSED = "content-transition-knn"


def main() -> None:
    parts: dict[str, Callable[[Bench], None]] = {
        "recipe": recipe,
        "views": views,
        **{name: functools.partial(backbone, name=name) for name in ("sasrec", "gru4rec", "bert4rec")},
        "ablations": ablations,
        "public-code": public_code,
        "fusion": fusion,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(parts), metavar="PART", help=", ".join(parts))
    parser.add_argument("--workspace", type=Path, required=True, help="kept; what it already holds is not made again")
    parser.add_argument("--threads", type=int, help="CPU threads a process")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}: give {', '.join(parts)}")
    workspace = Workspace.open(Settings(workspace=options.workspace, threads=options.threads))
    bench = Bench(workspace)
    for part in options.parts:
        parts[part](bench)


class Bench:
    """The workspace, the representation of each view, and the floors."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.representations = representations(workspace)
        request = verbs.SweepRequest(dataset=NAME, representation=self.representations[CHOSEN], method="genair")
        self.floors = floor_rows(workspace, request, silent)

    def sweep(self, **options: Any) -> list[verbs.SweepRow]:
        return verbs.sweep(self.workspace, verbs.SweepRequest(dataset=NAME, **options)).rows

    def show(self, title: str, rows: Iterable[tuple[str, verbs.SweepRow]]) -> None:
        """The table of the rows and of the floors."""
        print_rows(title, [*rows, *((f"floor: {row.method}", row) for row in self.floors)])


def representations(workspace: Workspace) -> dict[str, str]:
    """The representation of each view, made where it is missing."""
    if NAME not in {row.name for row in workspace.dataset_rows()}:
        verbs.import_dataset(workspace, verbs.ImportRequest(path=SCIENTIFIC, name=NAME))
    state = next(dataset for dataset in verbs.workspace_state(workspace).datasets if dataset.dataset == NAME)
    if not any(
        archetype_set.model == ARCHETYPES and archetype_set.items == state.items for archetype_set in state.archetype_sets
    ):
        sampling = Sampling(max_new_tokens=200)
        verbs.generate(workspace, verbs.GenerateRequest(dataset=NAME, model=ARCHETYPES, sampling=sampling, batch_size=128))
    by_parts = {
        frozenset(representation.dims): representation.representation
        for representation in state.representations
        if representation.model == "minilm"
    }
    by_view = {}
    for view, (dims, options) in VIEWS.items():
        by_view[view] = by_parts.get(frozenset(dims)) or (
            verbs.represent(workspace, verbs.RepresentRequest(dataset=NAME, model="minilm", **options)).representation
        )
    return by_view


def recipe(bench: Bench) -> None:
    rows = []
    for name, changes in (
        ("studio", {"alphas": [0.0, 0.1]}),
        ("studio without free vectors (genair)", {"method": "genair"}),
        ("studio without projector (llminit)", {"method": "llminit", "weight_decay": 0.0}),
        ("studio without shortcut", {"shortcut": False}),
        ("studio with seen items in the loss", {"exclude_seen": False}),
    ):
        options = {"preset": "studio", "representation": bench.representations[CHOSEN], "seeds": SEEDS} | changes
        result = bench.sweep(**options)
        rows += [(f"{name} {row.variant}".strip(), row) for row in result]
    bench.show("SASRec, softmax loss", rows)


def views(bench: Bench) -> None:
    rows = []
    for view, representation in bench.representations.items():
        result = bench.sweep(preset="studio", representation=representation, seeds=SEEDS)
        rows += [(view, row) for row in result]
    bench.show("studio, by what the representation holds", rows)


def backbone(bench: Bench, name: str) -> None:
    rows = []
    for loss, method in itertools.product(EPOCHS, METHODS):
        epochs = EPOCHS[loss].get(method, OTHER_EPOCHS[loss]) // (1 if name == "sasrec" else 2)
        options = COMMON | {"method": method, "loss": loss, "epochs": epochs, "seeds": SEEDS[:1]}
        representation = None if method == "id" else bench.representations[CHOSEN]
        result = bench.sweep(backbone=name, representation=representation, **options)
        rows += [(row.name, row) for row in result]
    bench.show(f"{name}, seed {SEEDS[0]}", rows)


def ablations(bench: Bench) -> None:
    options = COMMON | {
        "loss": "ce",
        "representation": bench.representations["metadata, archetypes"],
        "epochs": OTHER_EPOCHS["ce"],
    }
    result = bench.sweep(**options, ablations=["prefill", "decoding", "calibration"], seeds=SEEDS[:1])
    bench.show("GenAIR on SASRec, softmax loss, metadata and archetypes", [(row.variant or "whole", row) for row in result])
    result = bench.sweep(**options, alphas=[0.01, 0.1, 1.0], gammas=[0.0, 3.0], seeds=SEEDS[:1])
    bench.show("… α and γ", [(row.variant, row) for row in result])


def public_code(bench: Bench) -> None:
    rows = []
    for preset in ("public-code", "corrected"):
        options = {"loss": "bce", "dropout": 0.5, "averaging": 0.0, "alpha": 1e-4, "epochs": 50, "patience": 20}
        result = bench.sweep(
            preset=preset, representation=bench.representations["metadata, archetypes"], seeds=SEEDS[:1], **options
        )
        rows += [(f"{preset}: {'; '.join(row.deviations) or 'as in the paper'}", row) for row in result]
    bench.show("GenAIR on SASRec, BCE, constant learning rate 0.001, batch 128", rows)


def fusion(bench: Bench) -> None:
    """The weight is the best on validation items of the first seed, of six; test items are ranked once, with that weight."""
    workspace = bench.workspace
    dataset = workspace.load_dataset(NAME)
    request = verbs.TrainRequest(dataset=NAME, method=FUSED, representation=bench.representations["metadata"])
    floor = load_finished(workspace, train_or_reuse(workspace, request, silent).run).recommender
    runs = bench.sweep(preset="studio", representation=bench.representations[CHOSEN], seeds=SEEDS)[0].runs
    models = [load_finished(workspace, run).recommender for run in runs]

    def measured(model: Recommender, weight: float, part: Part) -> dict[str, float]:
        return metrics(evaluate(WeightedSum(model, floor, weight), dataset, None, part, Protocol()).full)

    valid = {weight: measured(models[0], weight, "valid")["NDCG@10"] for weight in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)}
    weight = max(valid, key=lambda tried: valid[tried])
    print(f"\nFusion with {FUSED}, validation NDCG@10 by weight: { ({key: round(value, 4) for key, value in valid.items()}) }")
    test = [measured(model, weight, "test") for model in models]
    for metric in ("HR@10", "NDCG@10"):
        values = [measures[metric] for measures in test]
        print(f"test {metric}, weight {weight}: {statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}", flush=True)


if __name__ == "__main__":
    main()
