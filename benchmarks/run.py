"""All benchmarks of this folder: `python -m benchmarks.run [import] [speed] [quality]`, results as Markdown on stdout.

Real data is looked for in ../shared/data or GENAIR_TEST_DATA; the workspace is a temporary one. See benchmarks/README.md
for what was measured when, and where.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks import public_code
from genair_engine import verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.catalog.synthetic import synthetic_dataset, write_csv, write_lcrec, write_recbole
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store import artifacts
from genair_engine.workspace import Workspace

DATA = Path(os.environ.get("GENAIR_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
SEEDS = (42, 43, 44)
PAPER = {"max_len": 200, "batch_size": 128, "dim": 128, "layers": 2, "loss": "bce", "dropout": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["import", "speed", "quality"], choices=["import", "speed", "quality"])
    parser.add_argument("--archetypes", default="demo-qwen", help="language model that writes the archetypes")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Settings(workspace=Path(folder)))
        if "import" in options.parts:
            import_speed(workspace)
        if {"speed", "quality"} & set(options.parts):
            representations = prepare(workspace, options.archetypes)
            if "speed" in options.parts:
                training_speed(workspace, representations["both"])
            if "quality" in options.parts:
                quality(workspace, representations)


def import_speed(workspace: Workspace) -> None:
    """30,000 users, 20,000 items, 316,000 interactions, from file to committed rows."""
    dataset = synthetic_dataset(30_000, 20_000, 316_000)
    print("\n| import, 30,000 users, 20,000 items, 316,000 interactions | seconds |\n|---|---|")
    for name, write in (("lcrec", write_lcrec), ("recbole", write_recbole), ("csv", write_csv)):
        with tempfile.TemporaryDirectory() as folder:
            write(dataset, Path(folder))
            started = time.perf_counter()
            verbs.import_dataset(workspace, verbs.ImportRequest(path=Path(folder), name=name))
            print(f"| {name} | {time.perf_counter() - started:.1f} |")


def prepare(workspace: Workspace, model: str) -> dict[str, str]:
    """amazon-scientific with MiniLM vectors of its metadata, and of metadata and archetypes: representation ids."""
    verbs.import_dataset(workspace, verbs.ImportRequest(path=DATA / "amazon-scientific", name="scientific"))
    started = time.perf_counter()
    written = verbs.generate(
        workspace,
        verbs.GenerateRequest(
            dataset="scientific", model=model, sampling=Sampling(greedy=True, max_new_tokens=200), batch_size=128
        ),
    )
    seconds = time.perf_counter() - started
    print(f"\n{model} wrote {written.written:,} archetypes in {seconds:.0f} s ({written.tokens / seconds:,.0f} tokens/s).")
    made = {}
    for name, archetypes in (("metadata", None), ("both", model)):
        request = verbs.RepresentRequest(dataset="scientific", model="minilm", archetypes=archetypes)
        made[name] = verbs.represent(workspace, request).representation
    return made


def training_speed(workspace: Workspace, representation: str) -> None:
    """Seconds an epoch at the paper's settings, ours beside the public code's cost structure, in one run."""
    print("\n| paper's settings (BCE, batch 128, 200 positions) | s an epoch |\n|---|---|")
    dataset = workspace.load_dataset("scientific")
    with workspace.reading() as session:
        from genair_engine.store.runs import find_representation

        row = find_representation(session, workspace.dataset_row("scientific"), representation)
    vectors = artifacts.load_arrays(workspace.path(row.folder) / "representation.safetensors")["vectors"]
    steps = -(-int((dataset.split.train.lengths >= 2).sum()) // 128)
    baseline = {}
    for calibrated in (False, True):
        model = public_code.PublicCodeShape(torch.from_numpy(vectors), dataset, calibrated)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
        times = []
        for batch in public_code.batches(dataset, 5):
            started = time.perf_counter()
            optimizer.zero_grad()
            model.loss(*batch).backward()
            optimizer.step()
            times.append(time.perf_counter() - started)
        baseline[calibrated] = statistics.median(times) * steps
        with_it = "with" if calibrated else "without"
        print(f"| public code's cost structure (reconstruction), {with_it} calibration | {baseline[calibrated]:.1f} |")
    for alpha in (0.0, 0.01):
        request = verbs.TrainRequest(dataset="scientific", representation=representation, alpha=alpha, epochs=6, **PAPER)
        result = verbs.train(workspace, request)
        ratio = baseline[alpha > 0] / result.seconds_per_epoch
        name = f"ours, α = {alpha} ({ratio:.0f} times faster)"
        print(f"| {name} | {result.seconds_per_epoch:.2f} |")  # memory: `train` in a process of its own tells it


def quality(workspace: Workspace, representations: dict[str, str]) -> None:
    """Test metrics, mean and standard deviation over three seeds."""
    variants = {
        "IDs only, softmax": {"method": "id", "loss": "ce"},
        "GenAIR, metadata only, softmax": {"representation": representations["metadata"], "loss": "ce"},
        "GenAIR, softmax": {"representation": representations["both"], "loss": "ce"},
        "GenAIR without calibration, softmax": {"representation": representations["both"], "loss": "ce", "alpha": 0.0},
        "GenAIR, BCE": {"representation": representations["both"], "loss": "bce"},
    }
    print("\n| test split, seeds 42–44 | full HR@10 | full NDCG@10 | 100 neg. HR@10 | 100 neg. NDCG@10 | epochs |")
    print("|---|---|---|---|---|---|")
    for name, options in variants.items():
        requests = [verbs.TrainRequest(dataset="scientific", seed=seed, patience=8, **options) for seed in SEEDS]
        runs = [verbs.train(workspace, request) for request in requests]
        cells = []
        for protocol in ("full", "sampled100"):
            for metric in ("HR@10", "NDCG@10"):
                values = [run.metrics["test"][protocol][metric] for run in runs]
                cells.append(f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}")
        print(f"| {name} | {' | '.join(cells)} | {', '.join(str(run.best_epoch) for run in runs)} |", flush=True)


if __name__ == "__main__":
    main()
