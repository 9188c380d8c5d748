"""Items that training never saw: `python -m benchmarks.coldstart [DATASET …] --workspace FOLDER`, Markdown on stdout.

Three draws of 10 % of the items are hidden in turn (seeds 42 to 44); bases and model are fitted on the others, and held-out
interactions with hidden items are ranked among all items (verb `coldstart`). GenAIR by a small variant of the preset studio,
with and without its free vectors, beside content similarity, popularity and chance. Vectors are MiniLM's of the metadata and,
where the workspace has them all, of demo-qwen's archetypes. Results are kept in FOLDER: an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import MOVIELENS, SCIENTIFIC
from genair_engine import verbs
from genair_engine.settings import Settings
from genair_engine.store.runs import find_representation
from genair_engine.verbs.evaluation import hidden_items
from genair_engine.verbs.representations import catalogue_states as states
from genair_engine.verbs.representations.stored import load_representation
from genair_engine.workspace import Workspace

DATASETS = {"scientific": SCIENTIFIC, "ml": MOVIELENS}
DRAWS = [42, 43, 44]
ARCHETYPES = "demo-qwen"
SMALL = {"preset": "studio", "dim": 64, "layers": 1, "max_len": 50, "epochs": 8}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "GenAIR": SMALL | {"method": "genair"},
    "GenAIR with free vectors": SMALL | {"method": "genair-id"},
}
"""Half the width, one block, histories of 50 items: short trainings, as all is trained for every draw."""
COLUMNS = (
    ("cold", "test", "HR@10"),
    ("cold", "test", "NDCG@10"),
    ("cold", "test", "HR@50"),
    ("cold", "valid", "HR@10"),
    ("cold", "valid", "NDCG@10"),
    ("among_hidden", "test", "HR@10"),
    ("warm", "", "NDCG@10"),
)
HEAD = (
    "test HR@10 | test NDCG@10 | test HR@50 | valid HR@10 | valid NDCG@10 | hidden only, test HR@10 | "
    "known items, test NDCG@10"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=list(DATASETS), metavar="DATASET", help=", ".join(DATASETS))
    parser.add_argument("--workspace", type=Path, required=True, help="kept; what it already holds is not made again")
    parser.add_argument("--stored", action="store_true", help="no encoder: states from the stored vectors and bases")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    if unknown := set(options.datasets) - set(DATASETS):
        parser.error(f"no data set {', '.join(sorted(unknown))}: give {', '.join(DATASETS)}")
    workspace = Workspace.open(Settings(workspace=options.workspace, database_url=None, threads=options.threads))
    for dataset in options.datasets:
        measure(workspace, dataset, options.stored)


def measure(workspace: Workspace, dataset: str, stored: bool) -> None:
    representation = representation_of(workspace, dataset)
    embed_once(workspace, dataset, representation, stored)
    results: dict[str, list[verbs.ColdStartResult]] = {name: [] for name in CONFIGURATIONS}
    for name, configuration in CONFIGURATIONS.items():
        for draw in DRAWS:
            request = verbs.ColdStartRequest(
                dataset=dataset, representation=representation, hide_seed=draw, device="cpu", **configuration
            )
            results[name].append(kept(workspace, request))
            print(f"{dataset}, draw {draw}, {name}: best epoch {results[name][-1].best_epoch}", flush=True)
    show(dataset, representation, results)


def embed_once(workspace: Workspace, dataset: str, representation: str, stored: bool) -> None:
    """The encoder reads the catalogue once for all draws, not once for each.

    stored: not at all. What the stored vectors and bases hold of the states (95 % of their variance) stands for them; so that
    this subspace, and nothing else, has seen the hidden items' texts.
    """
    owner = workspace.dataset_row(dataset)
    with workspace.reading() as session:
        row = find_representation(session, owner, representation)

    def again() -> dict[str, np.ndarray]:
        representation_read = load_representation(workspace, row)
        columns = np.split(representation_read.vectors, np.cumsum(list(row.dims.values()))[:-1], axis=1)
        parts = zip(representation_read.bases.items(), columns, strict=True)
        return {part: rows @ basis.components + basis.mean for (part, basis), rows in parts}

    read = functools.cache(again if stored else lambda: states.catalogue_states(workspace, owner, row))
    hidden_items.catalogue_states = lambda *_: read()


def representation_of(workspace: Workspace, dataset: str) -> str:
    """MiniLM's vectors of the metadata and, where there are any for all items, of archetypes."""
    if dataset not in {row.name for row in workspace.dataset_rows()}:
        verbs.import_dataset(workspace, verbs.ImportRequest(path=DATASETS[dataset], name=dataset))
    state = next(
        dataset_state for dataset_state in verbs.workspace_state(workspace).datasets if dataset_state.dataset == dataset
    )
    archetypes = next(
        (
            archetype_set.model
            for archetype_set in state.archetype_sets
            if archetype_set.items == state.items and archetype_set.model == ARCHETYPES
        ),
        None,
    )
    wanted = ["prefill", "decoding"] if archetypes else ["prefill"]
    for representation in state.representations:
        if representation.model == "minilm" and list(representation.dims) == wanted:
            return representation.representation
    request = verbs.RepresentRequest(dataset=dataset, model="minilm", archetypes=archetypes)
    return verbs.represent(workspace, request).representation


def kept(workspace: Workspace, request: verbs.ColdStartRequest) -> verbs.ColdStartResult:
    """The result of an equal request of an earlier call, or a new one, which is then kept."""
    path = workspace.path(f"coldstart-{request.dataset}.json")
    results = json.loads(path.read_text()) if path.exists() else {}
    key = request.model_dump_json()
    if key not in results:
        results[key] = verbs.coldstart(workspace, request).model_dump(mode="json")
        path.write_text(json.dumps(results))
    return verbs.ColdStartResult(**results[key])


def show(dataset: str, representation: str, results: dict[str, list[verbs.ColdStartResult]]) -> None:
    first = next(iter(results.values()))
    cases = ", ".join(f"{sum(result.cases[part] for result in first):,} {part}" for part in first[0].cases)
    print(f"\n### {dataset}, {representation}: {first[0].hidden} of {first[0].items:,} items hidden, three draws, {cases}\n")
    print(f"| | {HEAD} |\n|---|{'---|' * len(COLUMNS)}")
    for name, draws in results.items():
        print(line(name, [result.rows[0] for result in draws]))
    for number, row in enumerate(first[0].rows[1:], start=1):
        print(line(row.method, [result.rows[number] for result in first]), flush=True)


def line(name: str, rows: list[verbs.ColdStartRow]) -> str:
    cells = []
    for kind, part, metric in COLUMNS:
        measures = [getattr(row, kind).get(part, {}) if part else getattr(row, kind) for row in rows]
        values = [by_metric[metric] for by_metric in measures if metric in by_metric]
        cells.append(f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}" if len(values) > 1 else "–")
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
