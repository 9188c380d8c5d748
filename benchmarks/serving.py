"""Serving: `python -m benchmarks.serving [exact] [index] [http]`, Markdown on stdout.

exact: top 10 of one session at 60,000 and 1,000,000 items × 128, a batch of sessions, and the scores that reasons need; cost
does not depend on the weights, which are random. index: an approximate index of 1,000,000 items, its recall and time. Recall
does depend on vectors and states: a SASRec is trained on amazon-scientific, and its catalogue is filled up with items between
neighbours (anywhere between an item and one of its ten nearest, then moved in a random direction by half the distance of the
nearest); the states are those of real test sessions. The other extreme, a million random directions, is tried too. http:
requests against the server `serve` and against the app that the API is mounted in, 60,000 items, on this machine with the load
generator beside it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import http_load
from benchmarks.data import SCIENTIFIC
from genair_engine import verbs
from genair_engine.catalog.synthetic import synthetic_dataset, write_recbole
from genair_engine.errors import InputError
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.recommender import SequenceRecommender, TableRecommender
from genair_engine.serving.indexing import build_index
from genair_engine.serving.ranker import Ranker
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.workspace import Workspace

DIM = 128
SMALL, LARGE = 60_000, 1_000_000
ROUNDS = 200


def exact(items: int, threads: int) -> list[str]:
    """Latencies of exact search, in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    ranker = named(build_recommender(RunConfig.of(method="id", dim=DIM), items))
    random = np.random.default_rng(0)

    def session(length: int) -> list[int]:
        return random.integers(1, items + 1, size=length).tolist()

    variants = [[item for place, item in enumerate(session(20)) if place != left] for left in range(20)]
    cases = {
        "top 10, session of 10": lambda: ranker.top([session(10)]),
        "top 10, session of 200": lambda: ranker.top([session(200)]),
        "top 10, 64 sessions of 10 in one call": lambda: ranker.top([session(10) for _ in range(64)]),
        "scores of 10 items after 20 variants of a session": lambda: ranker.scores(variants, session(10)),
    }
    rows = []
    for name, call in cases.items():
        call()
        rounds = ROUNDS if "64" not in name else 10
        rows.append(f"| {name} | {items:,} | {threads} | {figures([call] * rounds)} | {peak():,.0f} |")
    return rows


def index(items: int, trained: bool) -> list[str]:
    """An index's making, recall and time, in this process."""
    model, sessions = filled_up(items) if trained else scattered(items)
    ranker = named(model)
    started = time.perf_counter()
    name = "between a trained model's items" if trained else "random directions"
    try:
        index_built = build_index(ranker, sessions)
    except InputError as error:
        return [f"| {name} | refused after {time.perf_counter() - started:.0f} s: {error} | | | | | | |"]
    seconds = time.perf_counter() - started
    ranker.index = index_built
    times = figures([partial(ranker.top, [session]) for session in sessions[:ROUNDS]])
    measured = index_built.facts
    megabytes = index_built.arrays()[0]["index"].nbytes / 1e6
    return [
        f"| {name} | {measured.recall:.4f} ({measured.sessions}) | {times} | {measured.exact_milliseconds:.1f} | "
        f"{measured.probes} of {measured.lists} | {seconds:.0f} s, {megabytes:.0f} MB |"
    ]


def filled_up(items: int) -> tuple[SequenceRecommender, list[list[int]]]:
    """A trained model whose catalogue was grown to `items`, and real test sessions of the items that it was trained on."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Settings(workspace=Path(folder)))
        verbs.import_dataset(workspace, verbs.ImportRequest(path=SCIENTIFIC, name="scientific"))
        request = verbs.TrainRequest(dataset="scientific", method="id", epochs=20, device="cpu")
        recommender = verbs.load_recommender(workspace, verbs.train(workspace, request).run)
        dataset = recommender.catalogue
        workspace.close()
    trained = recommender.dot_product
    assert isinstance(trained, TableRecommender)  # method id
    vectors = trained.table()[1:].clone()
    distance, neighbours = torch.cdist(vectors, vectors).topk(11, largest=False)  # the first is the item itself
    random = torch.Generator().manual_seed(0)
    first = torch.randint(len(vectors), (items - len(vectors),), generator=random)
    second = neighbours[first, torch.randint(1, 11, (len(first),), generator=random)]
    between = vectors[first].lerp(vectors[second], torch.rand(len(first), 1, generator=random))
    between += torch.randn(len(first), DIM, generator=random) * (distance[first, 1:2] / 2 / DIM**0.5)
    users = np.random.default_rng(0).permutation(dataset.split.users)[:1000]
    sessions = [dataset.sequences[int(user)][:-1].tolist() for user in users]
    return grown(trained.model, torch.cat([vectors, between])), sessions


def scattered(items: int) -> tuple[SequenceRecommender, list[list[int]]]:
    """Random vectors and random sessions."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model = build_recommender(RunConfig.of(method="id", dim=DIM), items)
    return model, [random.integers(1, items + 1, size=10).tolist() for _ in range(1000)]


def grown(model: SequenceRecommender, vectors: Tensor) -> SequenceRecommender:
    """The model with these item vectors ([n, d]) instead of its own."""
    with torch.device("meta"):
        larger = build_recommender(RunConfig.of(method="id", dim=vectors.shape[1]), len(vectors))
    state = {**model.state_dict(), "items.embedding.weight": torch.cat([vectors.new_zeros(1, vectors.shape[1]), vectors])}
    larger.load_state_dict(state, assign=True)
    return larger


def named(model: SequenceRecommender) -> Ranker:
    """A ranker whose items have no titles."""
    return Ranker(TableRecommender(model), [str(item) for item in range(1, model.n_items + 1)], [""] * model.n_items)


def figures(calls: list[Callable[[], object]]) -> str:
    """Median and 99th percentile of their times, and the median of the CPU time of all threads, which does not depend on what
    else the machine does; three cells in ms."""
    times = []
    for call in calls:
        began = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall, cpu = np.array(times).T * 1000
    return f"{np.median(wall):.2f} | {np.percentile(wall, 99):.2f} | {np.median(cpu):.2f}"


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def http(seconds: float) -> None:
    """Load on the server of its own and on the app, 60,000 items."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Settings(workspace=Path(folder) / "workspace"))
        dataset = synthetic_dataset(500, SMALL, 10_000)
        (Path(folder) / "source").mkdir()
        write_recbole(dataset, Path(folder) / "source")
        verbs.import_dataset(workspace, verbs.ImportRequest(path=Path(folder) / "source", name="shop"))
        request = verbs.TrainRequest(dataset="shop", method="id", loss="sampled", epochs=1, device="cpu")
        run = verbs.train(workspace, request).run
        ids = workspace.load_dataset("shop").items["item_id"].tolist()
        workspace.close()
        random = np.random.default_rng(0)
        bodies = [json.dumps({"run": run, "items": random.choice(ids, size=10).tolist()}).encode() for _ in range(200)]
        environment = {**os.environ, "GENAIR_WORKSPACE": str(Path(folder) / "workspace"), "GENAIR_API": "on"}
        environment |= {"GENAIR_WORKER": "none", "GENAIR_DEMO_ITEMS": "0", "HOME": folder}
        environment.pop("GENAIR_DATABASE_URL", None)
        port = free_port()
        environment |= {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
        print("\n| server | offered | answers/s | p50 ms | p99 ms | worst ms | failed |\n|---|---|---|---|---|---|---|")
        scripts = Path(sys.executable).parent
        servers = {
            "`serve`": [sys.executable, "-m", "genair_engine", "serve", "--port", str(port)],
            "mounted in the app": [str(scripts / "streamlit"), "run", "app/Home.py"],
        }
        for name, command in servers.items():
            with running(command, environment, port):
                http_load.run(port, "/api/recommend", bodies, 2)  # loads the run, and the server's caches
                for rate in (100, 200, 300, None):
                    load = http_load.run(port, "/api/recommend", bodies, seconds, rate)
                    offered = f"{rate}/s" if rate else f"{http_load.CONNECTIONS} connections, closed loop"
                    print(
                        f"| {name} | {offered} | {load.rate:.0f} | {load.p50:.1f} | {load.p99:.1f} | {load.worst:.0f} | "
                        f"{load.failed} |",
                        flush=True,
                    )


@contextmanager
def running(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    """A server, from the moment at which it answers."""
    server = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                break
            except OSError:
                if time.monotonic() > until or server.poll() is not None:
                    raise
                time.sleep(0.2)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["exact", "index", "http"], metavar="PART", help="exact, index, http")
    parser.add_argument("--seconds", type=float, default=20, help="of load a case")
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    print(f"\nLoad before: {os.getloadavg()[0]:.1f}")
    if "exact" in options.parts:
        print("\n| exact | items | threads | p50 ms | p99 ms | CPU ms | peak MB |\n|---|---|---|---|---|---|---|")
        for items in (SMALL, LARGE):
            for threads in (1, 2):
                os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))  # numpy reads it once
                with processes.Pool(1) as pool:
                    print("\n".join(pool.apply(exact, (items, threads))), flush=True)
    if "index" in options.parts:
        print(
            "\n| 1,000,000 items | recall@10 (sessions) | p50 ms | p99 ms | CPU ms | exact ms | clusters visited | made in |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for trained in (True, False):
            with processes.Pool(1) as pool:
                print("\n".join(pool.apply(index, (LARGE, trained))), flush=True)
    if "http" in options.parts:
        http(options.seconds)


if __name__ == "__main__":
    main()
