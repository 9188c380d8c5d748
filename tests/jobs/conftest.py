"""What the tests of jobs share: workspaces with short leases, real workers and their processes, an uninterrupted training.

A test drives a worker itself (`drive`) or starts the process of one (`start_worker`), where it is to be killed. Both run jobs
in real processes. Whatever is left at a test's end is killed.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from genair_engine import jobs, verbs
from genair_engine.catalog.synthetic import write_lcrec
from genair_engine.jobs.executors import Claimed, Executor, LocalExecutor, LocalHandle
from genair_engine.jobs.worker import Worker
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store.metrics import Metrics, load_metrics
from genair_engine.store.tables import JobRow, RunEpochRow, RunRow
from genair_engine.workspace import Workspace
from tests.conftest import TINY_ITEMS
from tests.verbs_workspaces import SMALL

LEASE = 6.0
"""For tests that wait for a lease to end [s]; others have a long one, whatever else the machine does meanwhile."""
PATIENCE = 240.0
"""Seconds after which what a test waits for is taken not to happen: far more than it needs, on a machine that is busy too."""
EPOCHS = 60
LONG = SMALL | {"dataset": "shop", "method": "id", "epochs": EPOCHS, "patience": EPOCHS}
"""A training that takes seconds."""
ENDLESS = LONG | {"epochs": 100_000, "patience": 100_000}
assert len(TINY_ITEMS) == 12


@pytest.fixture
def lease() -> float:
    return 60.0


@pytest.fixture
def settings(tmp_path: Path, models_dir: Path, lease: float, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("GENAIR_")]:
        if not name.startswith("GENAIR_TEST"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Settings(
        workspace=tmp_path / "workspace",
        database_url=None,
        models_dir=models_dir,
        threads=1,
        lease_seconds=lease,
        cancel_seconds=20,
    )


@pytest.fixture
def source(tmp_path: Path, tiny) -> Path:
    """The tiny data set as an LC-Rec pair."""
    folder = tmp_path / "source"
    folder.mkdir()
    write_lcrec(tiny, folder)
    return folder


@pytest.fixture
def workspace(settings: Settings, processes: None) -> Iterator[Workspace]:
    """An empty workspace on SQLite."""
    yield from _opened(settings)


@pytest.fixture
def any_workspace(settings: Settings, store_url: str, processes: None) -> Iterator[Workspace]:
    """An empty workspace on each back-end in turn."""
    yield from _opened(settings.model_copy(update={"database_url": store_url}))


@pytest.fixture
def shop(workspace: Workspace, source: Path) -> Workspace:
    """The tiny data set as `shop`, on SQLite."""
    return _imported(workspace, source)


@pytest.fixture
def any_shop(any_workspace: Workspace, source: Path) -> Workspace:
    """The tiny data set as `shop`, on each back-end in turn."""
    return _imported(any_workspace, source)


@pytest.fixture
def postgres_shop(settings: Settings, postgres_database: str, source: Path, processes: None) -> Iterator[Workspace]:
    """The tiny data set as `shop`, on PostgreSQL."""
    for workspace in _opened(settings.model_copy(update={"database_url": postgres_database})):
        yield _imported(workspace, source)


def _opened(settings: Settings) -> Iterator[Workspace]:
    workspace = Workspace.open(settings)
    yield workspace
    workspace.close()


def _imported(workspace: Workspace, source: Path) -> Workspace:
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    return workspace


@pytest.fixture
def processes() -> Iterator[None]:
    """Ends what a test leaves running."""
    yield
    for process in of_the_engine():
        with suppress(psutil.Error):
            process.kill()
            process.wait(10)


def children(process: psutil.Process | None = None) -> list[psutil.Process]:
    """All processes that a process has started and those in turn; of this process by default. None that has ended."""
    with suppress(psutil.NoSuchProcess):
        descendants = (process or psutil.Process()).children(recursive=True)
        return [child for child in descendants if running(child)]
    return []


def of_the_engine() -> list[psutil.Process]:
    """The engine's processes among them."""
    engines = []
    for child in children():
        with suppress(psutil.Error):
            if any("genair_engine" in word for word in child.cmdline()):
                engines.append(child)
    return engines


def running(process: psutil.Process) -> bool:
    """Whether it has not ended; one whose parent has not asked for its exit code has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Waits until it holds. Fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {condition.__qualname__}")
        time.sleep(0.05)


class Driven(Worker):
    """A worker whose loop the test turns."""

    def drive(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Works until the condition holds."""

        def turn() -> object:
            self.tick()
            return condition()

        until(turn, seconds)


@pytest.fixture
def drive(processes: None) -> Iterator[Callable[..., Driven]]:
    """Makes workers in this process: `drive(workspace)`."""
    workers: list[Driven] = []

    def make(workspace: Workspace, slots: int = 1, executor: Executor | None = None) -> Driven:
        workers.append(Driven(workspace, executor or LocalExecutor(workspace.settings), slots))
        return workers[-1]

    yield make
    for worker in workers:
        worker._kill_all()


@pytest.fixture
def start_worker(processes: None, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a worker's process: `start_worker(workspace, "--idle-exit", "1")`. Its stderr is in worker.log."""
    started: list[subprocess.Popen[bytes]] = []

    def start(workspace: Workspace, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "worker.log").open("ab") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "genair_engine", "worker", *options],
                    cwd=REPOSITORY,
                    env=os.environ | workspace.settings.environment() | environment,
                    stdout=log,
                    stderr=log,
                )
            )
        return started[-1]

    yield start
    for process in started:
        for child in children(psutil.Process(process.pid)) if process.poll() is None else []:
            with suppress(psutil.Error):
                child.kill()
        process.kill()
        process.wait()


def submit(workspace: Workspace, **changes: object) -> str:
    """Queues a training; returns the job's id."""
    return jobs.submit(workspace, "train", verbs.TrainRequest(**(LONG | changes))).job


def state(workspace: Workspace, job: str) -> str:
    return jobs.job(workspace, job).state


def row(workspace: Workspace, job: str) -> JobRow:
    with workspace.reading() as session:
        return session.get(JobRow, job)


def the_run(workspace: Workspace) -> RunRow | None:
    """The one training run of the workspace, None before it is there. Fails where there are two."""
    with workspace.reading() as session:
        return session.scalars(select(RunRow)).one_or_none()


def metrics_of_the_run(workspace: Workspace) -> Metrics:
    """What was measured of it."""
    with workspace.reading() as session:
        name = session.scalars(select(RunRow.id)).one()
        return load_metrics(session, [name])[name]


def trained(workspace: Workspace, epochs: int) -> Callable[[], bool]:
    """Whether the run has had so many epochs."""
    return lambda: (run := the_run(workspace)) is not None and run.epochs_done >= epochs


def curve(workspace: Workspace) -> list[tuple[int, dict[str, float], dict[str, float]]]:
    """(epoch, losses, validation metrics) of the one run."""
    with workspace.reading() as session:
        return [(row.epoch, row.losses, row.valid) for row in session.scalars(select(RunEpochRow).order_by(RunEpochRow.epoch))]


def process_of(job: str) -> psutil.Process:
    """The process that this test's worker, in a process or not, has started for a job. Fails where there is none."""
    return next(process for process in of_the_engine() if job in process.cmdline())


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Workspace], None]:
    """Fails where the one run of a workspace is not what LONG gives when nothing happens to it."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    whole = Workspace.open(Settings(workspace=folder / "workspace", database_url=None, threads=1))
    from tests.conftest import tiny as make

    write_lcrec(make.__wrapped__(), folder)
    _imported(whole, folder)
    verbs.train(whole, verbs.TrainRequest(**LONG))
    metrics, epochs = metrics_of_the_run(whole), curve(whole)
    whole.close()

    def check(workspace: Workspace) -> None:
        run = the_run(workspace)
        assert (run.state, run.epochs_done) == ("done", EPOCHS)
        assert metrics_of_the_run(workspace) == metrics
        assert curve(workspace) == epochs

    return check


def kill(process: psutil.Process | subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)


class Scripted:
    """An executor whose jobs run a shell script instead of a verb."""

    name = "local"

    def __init__(self, script: str) -> None:
        self.script = script

    def start(self, job: Claimed) -> LocalHandle:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        reading, writing = os.pipe()
        with job.log.open("ab") as log:
            command = ["bash", "-c", self.script]
            process = subprocess.Popen(command, stdout=log, stderr=log, pass_fds=[reading], start_new_session=True)
        os.close(reading)
        return LocalHandle(process, writing)


def instead(*command: str) -> type[LocalExecutor]:
    """A LocalExecutor whose processes are another command; "{job}" and "{attempt}" in it are filled in."""

    class Job(Claimed):
        @property
        def command(self) -> list[str]:
            return [word.replace("{job}", self.job).replace("{attempt}", str(self.attempt)) for word in command]

    class Instead(LocalExecutor):
        def start(self, job: Claimed) -> LocalHandle:
            return super().start(Job(**{field.name: getattr(job, field.name) for field in dataclasses.fields(job)}))

    return Instead


def after(statements: str) -> type[LocalExecutor]:
    """A LocalExecutor whose processes run these statements first."""
    run = "import sys; from genair_engine.jobs import run; sys.exit(run.main(sys.argv[1], int(sys.argv[2])))"
    return instead(sys.executable, "-c", f"{statements}\n{run}", "{job}", "{attempt}")
