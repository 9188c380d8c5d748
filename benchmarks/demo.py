"""The embedded demo: `python -m benchmarks.demo [first-run] [quality] [--workspace FOLDER]`, Markdown on stdout.

first-run: what `python -m genair_engine demo` takes on an empty workspace, step by step.
quality: whether archetypes help on it: ID-only SASRec against GenAIR-SASRec over three seeds, GenAIR without a part of it, and
GenAIR on archetypes that were shuffled between the items, beside the floors. All by the configuration of the demo.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.tables import print_rows
from genair_engine import verbs
from genair_engine.settings import Settings
from genair_engine.store import artifacts
from genair_engine.store.keys import new_id
from genair_engine.store.runs import find_representation
from genair_engine.store.tables import RepresentationRow
from genair_engine.verbs.system.demo import TRAINING
from genair_engine.workspace import Workspace

PARTS = ("first-run", "quality")
SEEDS = [42, 43, 44]
SHUFFLE_SEED = 7
SHUFFLED = "shuffled"


def first_run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Settings(workspace=Path(folder), database_url=None))
        began = time.perf_counter()
        steps: dict[str, float] = {}

        def tell(done: int, total: int, what: str) -> None:  # noqa: ARG001
            step = re.split(r"[,:]", what)[0]
            steps[step] = time.perf_counter() - began

        verbs.demo(workspace, verbs.DemoRequest(), tell)
        print("\n| first run: until the end of | seconds after the start |\n|---|---|")
        for step, seconds in steps.items():
            print(f"| {step} | {seconds:.0f} |", flush=True)
        workspace.close()


def quality(folder: Path) -> None:
    workspace = Workspace.open(Settings(workspace=folder, database_url=None))
    demo = verbs.demo(workspace, verbs.DemoRequest())
    common = {"dataset": verbs.DEMO, "seeds": SEEDS, **TRAINING}
    whole = verbs.sweep(
        workspace,
        verbs.SweepRequest(
            representation=demo.representation,
            methods=["id", "genair"],
            ablations=["prefill", "decoding", "calibration"],
            floors=True,
            **common,
        ),
    )
    shuffled = verbs.sweep(workspace, verbs.SweepRequest(representation=_shuffled(workspace, demo.representation), **common))
    rows = [(f"floor: {row.method}" if not row.backbone else f"{row.method} {row.variant}".strip(), row) for row in whole.rows]
    print_rows("demo, SASRec", [*rows, *(("genair, archetypes shuffled between items", row) for row in shuffled.rows)])
    workspace.close()


def _shuffled(workspace: Workspace, name: str) -> str:
    """The representation with its rows, both parts of each together, dealt out to the items at random."""
    dataset = workspace.dataset_row(verbs.DEMO)
    with workspace.reading() as session:
        row = find_representation(session, dataset, name)
    shuffled = next(
        (representation for representation in _representations(workspace) if representation.startswith(f"{SHUFFLED}-")), None
    )
    if shuffled:
        return shuffled
    arrays = artifacts.load_arrays(workspace.path(f"{row.folder}/representation.safetensors"))
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(arrays["vectors"]))
    shuffled = f"{SHUFFLED}-{new_id()[:6]}"
    folder = f"representations/{shuffled}"
    with artifacts.building(workspace.path(folder)) as aside:
        artifacts.save_arrays(aside / "representation.safetensors", arrays | {"vectors": arrays["vectors"][order]})
    values = {column.key: getattr(row, column.key) for column in RepresentationRow.__table__.columns}
    provenance = row.provenance | {"shuffled_by_seed": SHUFFLE_SEED}
    with workspace.session() as session:
        session.add(
            RepresentationRow(**values | {"id": shuffled, "folder": folder, "model": SHUFFLED, "provenance": provenance})
        )
    return shuffled


def _representations(workspace: Workspace) -> list[str]:
    (state,) = [dataset for dataset in verbs.workspace_state(workspace).datasets if dataset.dataset == verbs.DEMO]
    return [representation.representation for representation in state.representations]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--workspace", type=Path, help="for quality: kept; what it already holds is not made again")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: give {', '.join(PARTS)}")
    if "first-run" in options.parts:
        first_run()
    if "quality" in options.parts and options.workspace:
        quality(options.workspace)
    elif "quality" in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            quality(Path(folder))


if __name__ == "__main__":
    main()
