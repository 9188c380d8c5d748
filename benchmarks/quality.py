"""Recommendation quality on amazon-scientific: `python -m benchmarks.quality [PART …] --workspace FOLDER`, Markdown on stdout.

Every figure is a run of the `sweep` verb; runs that the workspace already holds are taken as they are, so that an interrupted
benchmark goes on and parts can be made at the same time by several processes. What was chosen was chosen on validation items.

views: which texts the representation is made of, for the recipe of genair-id.
methods: SASRec with the softmax loss, every method, with and without calibration, and the recipe; three seeds; floors.
sasrec, bert4rec, gru4rec: every method × (BCE, softmax) on that backbone.
ablations: GenAIR without prefill, decoding and calibration, and the grid of α and γ.
public-code: the preset with the public code's deviations beside the corrected form.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.data import SCIENTIFIC
from genair_engine import verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace

NAME = "scientific"
ARCHETYPES = "demo-qwen"
METHODS = ["id", "llminit", "genair", "genair-id"]
SEEDS = [42, 43, 44]

COMMON: dict[str, Any] = {
    "schedule": "cosine",
    "batch_size": 256,
    "learning_rate": 2e-3,
    "averaging": 0.95,
    "heads": 4,
    "dropout": 0.4,
    "weight_decay": 0.1,
    "projector_dropout": 0.2,
    "residual_decay": 2.0,
    "scaling": "parts",
}
"""What all runs of the tables share, except where a part says otherwise."""
EPOCHS = {("sasrec", "ce"): 15, ("gru4rec", "ce"): 15, ("sasrec", "bce"): 40, ("gru4rec", "bce"): 40}
"""Length of the learning-rate schedule; 25 for bert4rec, whose epoch is two passes."""
RECIPE = COMMON | {"method": "genair-id", "shortcut": True, "exclude_seen": True, "loss": "ce", "epochs": 15, "patience": 15}

VIEWS: dict[str, tuple[set[str], dict[str, Any]]] = {
    "metadata": ({"prefill"}, {}),
    "metadata, titles": ({"prefill", "title"}, {"title": True}),
    "metadata, archetypes": ({"prefill", "decoding"}, {"archetypes": ARCHETYPES}),
    "metadata, archetypes, titles": ({"prefill", "decoding", "title"}, {"archetypes": ARCHETYPES, "title": True}),
}
CHOSEN = "metadata, titles"
"""By validation NDCG@10 over three seeds (part views); the archetype part is what GenAIR's own ablations need."""


def main() -> None:
    parts = {
        "views": views,
        "methods": methods,
        "sasrec": lambda space, found: backbone(space, found, "sasrec"),
        "bert4rec": lambda space, found: backbone(space, found, "bert4rec"),
        "gru4rec": lambda space, found: backbone(space, found, "gru4rec"),
        "ablations": ablations,
        "public-code": public_code,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(parts), help=", ".join(parts))
    parser.add_argument("--workspace", type=Path, required=True, help="kept; what it already holds is not made again")
    parser.add_argument("--threads", type=int, help="CPU threads a process")
    options = parser.parse_args()
    workspace = Workspace.open(Settings(workspace=options.workspace, threads=options.threads))
    found = representations(workspace)
    for part in options.parts:
        parts[part](workspace, found)


def representations(workspace: Workspace) -> dict[str, str]:
    """The representation of each view, made where it is missing."""
    if NAME not in {one.name for one in workspace.dataset_rows()}:
        verbs.import_dataset(workspace, verbs.ImportRequest(path=SCIENTIFIC, name=NAME))
    state = next(one for one in verbs.workspace_state(workspace).datasets if one.dataset == NAME)
    if not any(one.model == ARCHETYPES and one.items == state.items for one in state.archetype_sets):
        sampling = Sampling(max_new_tokens=200)
        verbs.generate(workspace, verbs.GenerateRequest(dataset=NAME, model=ARCHETYPES, sampling=sampling, batch_size=128))
    made = {frozenset(one.dims): one.representation for one in state.representations if one.model == "minilm"}
    found = {}
    for view, (dims, options) in VIEWS.items():
        found[view] = made.get(frozenset(dims)) or (
            verbs.represent(workspace, verbs.RepresentRequest(dataset=NAME, model="minilm", **options)).representation
        )
    return found


def views(workspace: Workspace, found: dict[str, str]) -> None:
    rows = []
    for view, representation in found.items():
        result = sweep(workspace, **RECIPE, representation=representation, alpha=0.0, seeds=SEEDS)
        rows += [(view, row) for row in result.rows]
    show("recipe of genair-id, by what its representation holds", rows)


def methods(workspace: Workspace, found: dict[str, str]) -> None:
    shared = COMMON | {"loss": "ce", "epochs": 15, "patience": 15, "representation": found[CHOSEN], "seeds": SEEDS}
    plain = sweep(workspace, **shared, methods=METHODS, alphas=[0.0, 0.1], floors=True)
    recipe = sweep(workspace, **RECIPE, representation=found[CHOSEN], seeds=SEEDS, alphas=[0.0, 0.1])
    alone = sweep(workspace, **(RECIPE | {"method": "genair"}), representation=found[CHOSEN], seeds=SEEDS, alphas=[0.0])
    rows = [(row.name, row) for row in plain.rows]
    rows += [(f"{row.name}, shortcut, without seen items", row) for row in recipe.rows + alone.rows]
    show("SASRec, softmax loss", rows)


def backbone(workspace: Workspace, found: dict[str, str], name: str) -> None:
    rows = []
    for loss in ("bce", "ce"):
        epochs = EPOCHS.get((name, loss), 25)
        result = sweep(
            workspace,
            **COMMON,
            backbone=name,
            methods=METHODS,
            loss=loss,
            epochs=epochs,
            patience=epochs,
            representation=found[CHOSEN],
            seeds=SEEDS[:1],
        )
        rows += [(row.name, row) for row in result.rows]
    show(f"{name}, seed {SEEDS[0]}", rows)


def ablations(workspace: Workspace, found: dict[str, str]) -> None:
    shared = COMMON | {"loss": "ce", "epochs": 15, "patience": 15, "representation": found["metadata, archetypes"]}
    result = sweep(workspace, **shared, ablations=["prefill", "decoding", "calibration"], seeds=SEEDS)
    show("GenAIR on SASRec, softmax loss: ablations", [(row.variant or "whole", row) for row in result.rows])
    result = sweep(workspace, **shared, alphas=[1e-4, 1e-3, 1e-2, 1e-1, 1.0], seeds=SEEDS[:1])
    show("… α, with γ = 3", [(row.variant, row) for row in result.rows])
    result = sweep(workspace, **shared, gammas=[0.0, 1.0, 3.0, 5.0], alpha=0.1, seeds=SEEDS[:1])
    show("… γ, with α = 0.1", [(row.variant, row) for row in result.rows])


def public_code(workspace: Workspace, found: dict[str, str]) -> None:
    rows = []
    for preset in ("public-code", "corrected"):
        options: dict[str, Any] = {
            "loss": "bce",
            "dropout": 0.5,
            "averaging": 0.0,
            "alpha": 1e-4,
            "epochs": 40,
            "patience": 20,
        }
        result = sweep(workspace, preset=preset, **options, representation=found["metadata, archetypes"], seeds=SEEDS[:1])
        rows += [(f"{preset}: {'; '.join(row.deviations) or 'as in the paper'}", row) for row in result.rows]
    show("GenAIR on SASRec, BCE, constant learning rate 0.001, batch 128", rows)


def sweep(workspace: Workspace, **options: Any) -> verbs.SweepResult:
    return verbs.sweep(workspace, verbs.SweepRequest(dataset=NAME, **options))


def show(title: str, rows: Iterable[tuple[str, verbs.SweepRow]]) -> None:
    """Best validation first."""
    print(
        f"\n| {title} | valid NDCG@10 | test HR@10 | test NDCG@10 | 100 neg. HR@10 | 100 neg. NDCG@10 | seeds | best epochs |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, row in sorted(rows, key=lambda one: -one[1].score("valid")):
        cells = [
            row.metrics[part][protocol][metric]
            for part, protocol, metric in (
                ("valid", "full", "NDCG@10"),
                ("test", "full", "HR@10"),
                ("test", "full", "NDCG@10"),
                ("test", "sampled100", "HR@10"),
                ("test", "sampled100", "NDCG@10"),
            )
        ]
        shown = [f"{cell.mean:.4f}" + (f" ± {cell.sd:.4f}" if cell.sd is not None else "") for cell in cells]
        epochs = ", ".join(map(str, row.best_epochs)) or "–"
        print(f"| {name} | {' | '.join(shown)} | {len(row.seeds) or '–'} | {epochs} |", flush=True)


if __name__ == "__main__":
    main()
