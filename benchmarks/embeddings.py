"""The embedding space: `python -m benchmarks.embeddings [--part entropy|page|pictures]`, Markdown on stdout.

Every part is a fresh process: wall-clock and processor seconds (of all threads; on a busy machine they tell more), and the
process's peak resident memory. Entropy: of the five popularity groups of 57,000 vectors of 4,096 columns, with the vectors in
memory; all measures of the groups and of all items; then what bootstrap resamples cost at the widths that spaces have. Page:
the script of the Embeddings page on 20,000 items, all of them drawn in three panels from stored pictures, by Streamlit's test
runner; the browser's work is not in it. Pictures: of 20,000 vectors of 128 columns, by the verb `project`, with how often it
told how far it was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.ranking import _peak
from genair_engine import verbs
from genair_engine.analysis.spectrum import entropy, gram, resampled_spectra, spectrum
from genair_engine.archetypes.parts import Part
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers.assemble import ReadResult
from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store import artifacts
from genair_engine.store.tables import RepresentationRow
from genair_engine.verbs.analysis.analyse import measure
from genair_engine.workspace import Workspace

NAMES = ("vectors-a", "vectors-b", "vectors-c")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS), action="append", help="only this part")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{options.threads} threads, load before: {load:.1f}", flush=True)
    processes = multiprocessing.get_context("spawn")
    os.environ |= {variable: str(options.threads) for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    for name in options.part or PARTS:
        process = processes.Process(target=PARTS[name])
        process.start()
        process.join()


def _row(what: str, work: Callable[[], object]) -> None:
    """One row: wall-clock and processor seconds of the work, and the process's peak memory after it."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"| {what} | {wall:.2f} | {processor:.2f} | {_peak():,.0f} |", flush=True)


def _head(what: str) -> None:
    print(f"\n| {what} | seconds | processor seconds, all threads | MB at the peak |\n|---|---|---|---|", flush=True)


def _entropy(items: int = 57_000, width: int = 4096) -> None:
    dataset = synthetic_dataset(52_000, items, 395_000)
    random = np.random.default_rng(0)
    strengths = np.arange(1, width + 1, dtype=np.float32) ** -0.5
    vectors = random.standard_normal((items, width), dtype=np.float32) * strengths
    groups = dataset.popularity_group[1:]
    _head(f"{items:,} × {width:,}, {_peak():,.0f} MB before")
    _row("entropy of the five groups", lambda: [entropy(spectrum(gram(vectors[groups == group]))) for group in range(1, 6)])
    everything = np.arange(1, items + 1)
    _row("all measures, of the groups and of all items", lambda: measure(dataset, vectors, everything, resamples=0, seed=0))
    _head("ten bootstrap resamples of")
    for rows, columns in ((869, 128), (869, 391), (11_400, 128), (11_400, 768)):
        part = vectors[:rows, :columns]
        _row(f"{rows:,} × {columns}", lambda part=part: list(resampled_spectra(part, 10, random)))


def _page(items: int = 20_000, width: int = 128) -> None:
    from streamlit.testing.v1 import AppTest

    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder), items, width)
        request = verbs.ProjectRequest(spaces=list(NAMES))
        verbs.project(workspace, request)
        verbs.analyse(workspace, verbs.AnalyseRequest(spaces=list(NAMES), resamples=200))

        def read() -> None:
            pictures = [verbs.stored_picture(workspace, request, verbs.find_space(workspace, name)) for name in NAMES]
            verbs.aligned([picture for picture in pictures if picture is not None])
            verbs.item_facts(workspace, "large")

        _head(f"{items:,} items, three stored pictures and spreads")
        _row("pictures read and aligned, titles and groups of all items", read)
        workspace.close()
        os.environ |= {"GENAIR_WORKSPACE": folder, "GENAIR_WORKER": "none"}
        app = AppTest.from_file(str(REPOSITORY / "app" / "Home.py"), default_timeout=300).switch_page("../pages/embeddings.py")
        app.query_params["groups"] = "1,2,3,4,5"
        for run in ("first run, with imports", "second run", "third run"):
            _row(f"the page's whole script, {run}", app.run)
        assert not app.exception and len(app.get("plotly_chart")) == 4


def _pictures(items: int = 20_000, width: int = 128) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder), items, width)
        _head(f"{items:,} × {width} by")
        for method in ("pca", "umap", "tsne"):
            told: list[tuple[int, int, str]] = []
            work = partial(verbs.project, workspace, verbs.ProjectRequest(spaces=[NAMES[0]], method=method))
            _row(method, partial(work, lambda *report, told=told: told.append(report)))
            print(f"| … reports of progress: {len(told)} | | | |", flush=True)
        workspace.close()


def _workspace(folder: Path, items: int, width: int) -> Workspace:
    """A dataset of that size with three representations of clustered vectors."""
    synthetic = synthetic_dataset(30_000, items, 316_000)
    table = pd.DataFrame(synthetic.items)
    dataset = Dataset(name="large", items=table, sequences=synthetic.sequences, user_ids=synthetic.user_ids)
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
                parts=[Part(part, "array", columns=columns).record() for part, columns in dims.items()],
                provenance={},
                folder=f"representations/{name}",
            )
        )


PARTS = {"entropy": _entropy, "page": _page, "pictures": _pictures}


if __name__ == "__main__":
    main()
