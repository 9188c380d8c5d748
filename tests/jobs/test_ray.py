"""Jobs, generation and sweeps on a real Ray cluster of two nodes with a real PostgreSQL: the same results as here."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import select

from genair_engine import jobs, verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.synthetic import write_lcrec
from genair_engine.cluster import spread
from genair_engine.errors import InputError, ModelError, OutageError
from genair_engine.jobs import ray_executor
from genair_engine.jobs.executors import Claimed
from genair_engine.jobs.ray_executor import RayExecutor
from genair_engine.jobs.run import STOPPED
from genair_engine.jobs.worker import Worker
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store.tables import RunRow, TextRow
from genair_engine.verbs.texts.text_set import states_of
from genair_engine.workspace import Workspace
from tests.ray_cluster import CPUS_A_NODE, gpus_of_task
from tests.tiny_language_models import save_model
from tests.verbs_workspaces import SMALL

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]

SAMPLING = Sampling(max_new_tokens=12)
DEADLINE = 240.0


@pytest.fixture
def catalogue(tmp_path: Path, tiny: Dataset) -> Path:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    write_lcrec(tiny, folder)
    return folder


@pytest.fixture
def local(tmp_path: Path, catalogue: Path) -> Iterator[Workspace]:
    """A workspace of this process with the tiny data set as `shop`."""
    yield from _opened(Settings(workspace=tmp_path / "local", database_url=None, threads=1, models_dir=_models()), catalogue)


@pytest.fixture
def shared(tmp_path: Path, catalogue: Path, ray_address: str, postgres_database: str) -> Iterator[Workspace]:
    """The same on PostgreSQL, with the cluster."""
    folder = tmp_path / "shared"
    settings = Settings(
        workspace=folder, database_url=postgres_database, threads=1, models_dir=_models(), ray_address=ray_address
    )
    yield from _opened(settings, catalogue)


def _models() -> Path:
    folder = REPOSITORY / "models_cache"
    if not (folder / "demo-qwen" / "model.safetensors").exists():
        pytest.skip("the demo language models are missing in models_cache")
    return folder


def _opened(settings: Settings, source: Path) -> Iterator[Workspace]:
    workspace = Workspace.open(settings)
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    yield workspace
    workspace.close()


def written(workspace: Workspace) -> tuple[list[tuple[int, str, int, str]], list[np.ndarray]]:
    with workspace.reading() as session:
        rows = session.scalars(select(TextRow).order_by(TextRow.position)).all()
    texts = [(row.position, row.text, row.generated_tokens, row.finish) for row in rows]
    (folder,) = (workspace.folder / "archetypes").iterdir()
    return texts, list(states_of(folder, 12))


def generate(workspace: Workspace, **options) -> verbs.GenerateResult:
    asked = {"dataset": "shop", "model": "demo-qwen", "sampling": SAMPLING, "batch_size": 6, "device": "cpu"} | options
    return verbs.generate(workspace, verbs.GenerateRequest(**asked))


def test_a_generation_and_a_sweep_as_locally(local: Workspace, shared: Workspace) -> None:
    part = generate(shared, limit=4)
    rest = generate(shared)
    assert (part.written, rest.written, rest.items) == (4, 8, 12) and rest.archetypes == part.archetypes
    whole = generate(local)
    assert whole.tokens == part.tokens + rest.tokens
    (texts, here), (texts_there, there) = written(local), written(shared)
    assert texts_there == texts and len({text for _, text, *_ in texts}) > 6
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)

    def table(workspace: Workspace) -> dict[str, dict]:
        representation = verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model="demo-qwen")).representation
        asked = verbs.SweepRequest(
            dataset="shop", methods=["id", "llminit"], seeds=[1, 2], representation=representation, floors=True, **SMALL
        )
        result = verbs.sweep(workspace, asked)
        assert verbs.sweep(workspace, asked).rows == result.rows  # trained once
        return {row.method: row.model_dump(exclude={"runs", "seconds_per_epoch"}) for row in result.rows}

    ours, theirs = table(local), table(shared)
    assert theirs["id"] == ours["id"]  # bit by bit
    assert list(theirs) == list(ours) and len(ours) > 2
    for method, row in ours.items():  # those that read the representation differ by its rounding
        assert theirs[method]["seeds"] == row["seeds"] == ([1, 2] if row["backbone"] else [])
        assert flat(theirs[method]["metrics"]) == pytest.approx(flat(row["metrics"]), abs=1e-6)


def flat(metrics: dict) -> dict[str, float]:
    """{"test full HR@10": mean}"""
    return {
        f"{part} {protocol} {metric}": summary["mean"]
        for part, protocols in metrics.items()
        for protocol, values in protocols.items()
        for metric, summary in values.items()
    }


def test_a_search_as_locally(local: Workspace, shared: Workspace) -> None:
    asked = verbs.SweepRequest(dataset="shop", method="id", trials=2, search={"dim": "4|8"}, **(SMALL | {"epochs": 1}))
    ours, theirs = (
        [row.model_dump(exclude={"runs", "seconds_per_epoch"}) for row in verbs.sweep(workspace, asked).rows]
        for workspace in (local, shared)
    )
    assert theirs == ours


def test_tasks_share_the_gpus(shared: Workspace) -> None:
    told = []
    results = dict(spread(shared, gpus_of_task, [10, 11, 12, 13], lambda *report: told.append(report), "auto"))
    assert [results[index][:2] for index in range(4)] == [(10, "0"), (11, "0"), (12, "0"), (13, "0")]
    assert len({node for *_, node in results.values()}) == 2
    assert [report[1:3] for report in told if "finished" in report[3]] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_errors_come_back_as_they_are(shared: Workspace) -> None:
    with pytest.raises(ModelError, match="no-such-model"):
        generate(shared, model="no-such-model")
    with pytest.raises(ModelError, match="tokens"):
        generate(shared, sampling=Sampling(max_new_tokens=8192), batch_size=12, model=_of_few_positions(shared))
    with pytest.raises(InputError, match="one machine"):
        generate(shared, device="cuda:1")
    shared.settings = shared.settings.model_copy(update={"ray_gpus": 0})
    with pytest.raises(ModelError, match="GENAIR_RAY_GPUS is 0"):
        generate(shared, device="cuda")


def _of_few_positions(workspace: Workspace) -> str:
    """A model whose context is shorter than any prompt: only the actors find out."""
    folder = workspace.folder / "tiny-llama"
    save_model(folder, "llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4}))
    return str(folder)


@pytest.fixture
def worker(shared: Workspace) -> Iterator[Worker]:
    started = Worker(shared, RayExecutor(shared.settings), slots=2)
    yield started
    started.leaving = True
    started._leave()


def until(worker: Worker, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        worker.tick()
        assert time.monotonic() < deadline, [record.lines() for record in jobs.jobs(worker.workspace, jobs.JobsRequest()).jobs]
        time.sleep(0.05)


def test_jobs_go_through_ray_jobs_and_a_cancelled_sweep_stops(shared: Workspace, worker: Worker) -> None:
    short = jobs.submit(shared, "train", verbs.TrainRequest(dataset="shop", method="id", seed=5, **SMALL))
    endless = SMALL | {"epochs": 100_000, "patience": 100_000}
    sweep = verbs.SweepRequest(dataset="shop", method="id", seeds=[1, 2, 3], **endless)
    long = jobs.submit(shared, "sweep", sweep)

    def epochs_of_the_sweep() -> list[int]:
        with shared.reading() as session:
            return list(session.scalars(select(RunRow.epochs_done).where(RunRow.job_id == long.job)))

    until(worker, lambda: jobs.job(shared, short.job).state == "done" and sum(done > 0 for done in epochs_of_the_sweep()) >= 2)
    assert "NDCG@10" in jobs.log_tail(shared, short.job)
    assert [run.state for run in _runs(shared, short.job)] == ["done"]

    jobs.cancel(shared, long.job)
    until(worker, lambda: jobs.job(shared, long.job).state == "cancelled")
    assert "Stopped as asked" in jobs.log_tail(shared, long.job)  # by itself, no signal of Ray's
    assert {run.state for run in _runs(shared, long.job)} == {"stopped"}
    import ray

    ray.init(address=shared.settings.ray_address, log_to_driver=False, ignore_reinit_error=True)
    until(worker, lambda: ray.available_resources().get("CPU") == 2 * CPUS_A_NODE)  # no task goes on


def test_a_job_that_waits_for_gpus_can_be_cancelled(shared: Workspace, worker: Worker) -> None:
    worker.tick()  # says that GPUs are the cluster's business
    request = verbs.TrainRequest(dataset="shop", method="id", **(SMALL | {"device": "cuda"}))
    wanted = jobs.submit(shared, "train", request, gpus=3)
    state = pytest.importorskip("ray.util.state")

    def asked() -> list[dict]:
        actors = state.list_actors(worker.executor._client.get_address(), detail=True, raise_on_missing_output=False)
        return [actor.required_resources for actor in actors if actor.state == "PENDING_CREATION"]

    until(worker, lambda: {"CPU": 1.0, "GPU": 3.0} in asked())
    jobs.cancel(shared, wanted.job)
    until(worker, lambda: jobs.job(shared, wanted.job).state == "cancelled")


def _runs(workspace: Workspace, job: str) -> list[RunRow]:
    with workspace.reading() as session:
        return list(session.scalars(select(RunRow).where(RunRow.job_id == job)))


class Head:
    """What a handle needs of Ray's client. The first submission gets no answer, and no question does before `free`."""

    def __init__(self) -> None:
        self.asked, self.free, self.submitted, self.stops = threading.Event(), threading.Event(), 0, 0
        self.status = "RUNNING"

    def submit(self) -> None:
        self.submitted += 1
        if self.submitted == 1:
            raise OSError("read timed out")

    def stop_job(self, name: str) -> None:
        self.stops += 1
        self.status = "STOPPED"

    def get_job_info(self, name: str) -> SimpleNamespace:
        self.asked.set()
        assert self.free.wait(DEADLINE)
        status = SimpleNamespace(value=self.status, is_terminal=lambda: self.status != "RUNNING")
        return SimpleNamespace(status=status, message="", driver_exit_code=None)

    def get_job_logs(self, name: str) -> str:
        return "so far\n"


def test_a_silent_head_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "POLL_SECONDS", 0.01)
    head = Head()
    claimed = Claimed("one", 1, "train", 0, [], "log", tmp_path / "log")
    handle = ray_executor.RayHandle(head, claimed, head.submit)
    assert head.asked.wait(DEADLINE)
    for _ in range(100):  # while its thread waits for an answer
        handle.kill()
        assert handle.poll() is None
    head.free.set()
    deadline = time.monotonic() + DEADLINE
    while handle.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (handle.poll(), head.submitted, head.stops) == (STOPPED, 2, 1)
    assert (tmp_path / "log").read_text().endswith("so far\n")


def test_a_head_that_takes_a_request_and_never_answers_is_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.job_submission")
    monkeypatch.setattr(ray_executor, "REQUEST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(
            workspace=tmp_path,
            ray_address=f"http://127.0.0.1:{silent.getsockname()[1]}",
            database_url="postgresql+psycopg://nobody@127.0.0.1:1/none",
        )
        with pytest.raises(OutageError, match="cannot be reached"):
            RayExecutor(settings)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sqlite = Settings(workspace=tmp_path, ray_address="127.0.0.1:1", database_url=None)
    server = sqlite.model_copy(update={"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none"})
    with pytest.raises(InputError, match="PostgreSQL"):
        RayExecutor(sqlite)
    with pytest.raises(OutageError, match=r"127\.0\.0\.1:1 .*GENAIR_RAY_ADDRESS"):
        RayExecutor(server)
    with pytest.raises(InputError, match="head:6379"):
        RayExecutor(server.model_copy(update={"ray_address": "ray://127.0.0.1:10001"}))
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    with pytest.raises(InputError, match=r"requirements-ray\.txt"):
        RayExecutor(server)
