"""The embedding space: `python -m benchmarks.embeddings [--part entropy|page|pictures]`, Markdown on stdout.

Every part is a fresh process: seconds, and the process's peak resident memory. Entropy: of the five popularity groups of
57,000 vectors of 4,096 columns, with the vectors in memory; all measures of the groups and of all items; then what one
bootstrap resample of a group costs at the widths that spaces have. Page: the script of the Embeddings page on 20,000 items, all of them
drawn in three panels from stored pictures, by Streamlit's own test runner; the browser's work is not in it. Pictures: of
20,000 vectors of 128 columns, by the verb `project`, with how often it told how far it was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.ranking import _peak
from genair_engine import verbs
from genair_engine.analysis.spectrum import entropy, gram, resampled_spectra, spectrum
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers import ReadResult
from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store import artifacts
from genair_engine.store.tables import RepresentationRow
from genair_engine.verbs.analyse import measure
from genair_engine.workspace import Workspace

NAMES = ("vectors-a", "vectors-b", "vectors-c")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{options.threads} threads, load before: {load:.1f}\n")
    processes = multiprocessing.get_context("spawn")
    for name in options.part or PARTS:
        os.environ |= {variable: str(options.threads) for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        with processes.Pool(1) as pool:
            for line in pool.apply(PARTS[name]):
                print(line)
        print(flush=True)


def _entropy(items: int = 57_000, width: int = 4096) -> list[str]:
    dataset = synthetic_dataset(52_000, items, 395_000)
    random = np.random.default_rng(0)
    strengths = np.arange(1, width + 1, dtype=np.float32) ** -0.5
    vectors = random.standard_normal((items, width), dtype=np.float32) * strengths
    before, started = _peak(), time.perf_counter()
    for group in range(1, 6):
        entropy(spectrum(gram(vectors[dataset.popularity_group[1:] == group])))
    five, peak = time.perf_counter() - started, _peak()
    started = time.perf_counter()
    measure(dataset, vectors, np.arange(1, items + 1), resamples=0, seed=0)
    everything = time.perf_counter() - started
    lines = [
        f"| {items:,} × {width:,} | seconds | MB before | MB at the peak |",
        "|---|---|---|---|",
        f"| entropy of the five groups | {five:.1f} | {before:,.0f} | {peak:,.0f} |",
        f"| all measures of the groups and of all items | {everything:.1f} | {before:,.0f} | {_peak():,.0f} |",
        "",
        "| one bootstrap resample of | seconds |",
        "|---|---|",
    ]
    for rows, columns in ((869, 128), (869, 391), (11_400, 128), (11_400, 768)):
        started = time.perf_counter()
        done = sum(1 for _ in resampled_spectra(vectors[:rows, :columns], 5, random))
        lines.append(f"| {rows:,} × {columns} | {(time.perf_counter() - started) / done:.3f} |")
    return lines


def _page(items: int = 20_000, width: int = 128) -> list[str]:
    from streamlit.testing.v1 import AppTest

    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder), items, width)
        groups = verbs.ProjectRequest(spaces=list(NAMES))
        verbs.project(workspace, groups)
        verbs.analyse(workspace, verbs.AnalyseRequest(spaces=list(NAMES), resamples=200))
        started = time.perf_counter()
        pictures = [verbs.stored_picture(workspace, groups, verbs.find_space(workspace, name)) for name in NAMES]
        verbs.aligned([picture for picture in pictures if picture is not None])
        verbs.item_facts(workspace, "large")
        data = time.perf_counter() - started
        workspace.close()
        os.environ |= {"GENAIR_WORKSPACE": folder, "GENAIR_WORKER": "none"}
        app = AppTest.from_file(str(REPOSITORY / "app" / "Home.py"), default_timeout=300).switch_page("../pages/embeddings.py")
        app.query_params["groups"] = "1,2,3,4,5"
        seconds = []
        for _ in range(4):
            started = time.perf_counter()
            app.run()
            seconds.append(time.perf_counter() - started)
        assert not app.exception and len(app.get("plotly_chart")) == 4
    return [
        f"| {items:,} items, three stored pictures and spreads | seconds |",
        "|---|---|",
        f"| pictures read and aligned, titles and groups of all items | {data:.2f} |",
        f"| the page's whole script, first run (imports) | {seconds[0]:.2f} |",
        f"| the page's whole script, best of three later runs | {min(seconds[1:]):.2f} |",
    ]


def _pictures(items: int = 20_000, width: int = 128) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder), items, width)
        lines = []
        for method in ("pca", "tsne", "umap"):
            told: list[tuple[int, int, str]] = []
            request = verbs.ProjectRequest(spaces=[NAMES[0]], method=method)
            made = verbs.project(workspace, request, lambda *report, told=told: told.append(report))
            lines.append(f"| {method} | {made.projections[0].seconds:.1f} | {len(told)} | {_peak():,.0f} |")
        workspace.close()
    return [f"| {items:,} × {width} by | seconds | reports of progress | MB at the peak so far |", "|---|---|---|---|", *lines]


def _workspace(folder: Path, items: int, width: int) -> Workspace:
    """A dataset of that size with three representations of clustered vectors."""
    made = synthetic_dataset(30_000, items, 316_000)
    table = pd.DataFrame(made.items)
    dataset = Dataset(name="large", items=table, sequences=made.sequences, user_ids=made.user_ids)
    workspace = Workspace.open(Settings(workspace=folder, database_url=None))
    row = workspace.save_dataset(ReadResult(dataset, []), "benchmark")
    random = np.random.default_rng(0)
    member = random.integers(40, size=items)
    for name in NAMES:
        vectors = random.standard_normal((40, width))[member] * 2 + random.standard_normal((items, width))
        artifacts.make_folder(folder / "representations" / name)
        path = folder / "representations" / name / "representation.safetensors"
        artifacts.save_arrays(path, {"vectors": vectors.astype(np.float32)})
        _name(workspace, row.id, name, {"prefill": width})
    return workspace


def _name(workspace: Workspace, dataset: int, name: str, dims: dict[str, Any]) -> None:
    with workspace.session() as session:
        session.add(
            RepresentationRow(
                id=name,
                dataset_id=dataset,
                model="benchmark",
                revision="",
                parts="+".join(dims),
                dims=dims,
                explained={part: 1.0 for part in dims},
                provenance={},
                folder=f"representations/{name}",
            )
        )


PARTS = {"entropy": _entropy, "page": _page, "pictures": _pictures}


if __name__ == "__main__":
    main()
