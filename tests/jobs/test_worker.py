"""The worker with real processes: killed, told to leave, idle, cut off; cancelled jobs and stubborn ones. Nothing is lost,
nothing runs twice, no process stays."""

from __future__ import annotations

import signal
import socket
import threading
import time
from datetime import timedelta

import psutil
import pytest
from sqlalchemy import make_url

from genair_engine import jobs, verbs
from genair_engine.errors import ModelError, OutageError
from genair_engine.jobs import worker as workers
from genair_engine.jobs.logs import Logs
from genair_engine.jobs.run import TRY_AGAIN
from genair_engine.store import jobs as rows
from genair_engine.workspace import Workspace
from tests.jobs.conftest import (
    ENDLESS,
    LEASE,
    PATIENCE,
    Scripted,
    children,
    kill,
    process_of,
    running,
    state,
    submit,
    the_run,
    trained,
    until,
)


@pytest.mark.parametrize("lease", [LEASE])
def test_a_killed_worker_takes_its_process_along_and_another_goes_on(shop, start_worker, drive, uninterrupted):
    job = submit(shop)
    worker = start_worker(shop)
    until(trained(shop, 3))
    process = process_of(job)
    kill(worker)
    until(lambda: not running(process), LEASE)
    assert state(shop, job) == "running"
    drive(shop).drive(lambda: state(shop, job) == "done")
    record = jobs.job(shop, job)
    assert (record.attempts, record.error, record.runs) == (2, None, [the_run(shop).id])
    assert "attempt 2" in jobs.log_tail(shop, job) and jobs.log_tail(shop, job).count("epoch 2:") == 1
    uninterrupted(shop)


def test_a_worker_that_leaves_gives_its_job_back_and_does_not_count_it(shop, start_worker, drive, uninterrupted):
    job = submit(shop)
    worker = start_worker(shop)
    until(trained(shop, 3))
    process = process_of(job)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0 and not running(process)
    record = jobs.job(shop, job)
    assert (record.state, record.attempts, record.max_attempts, record.worker) == ("queued", 1, 4, None)
    assert the_run(shop).state == "stopped"
    assert jobs.jobs(shop, jobs.JobsRequest()).workers == []
    drive(shop).drive(lambda: state(shop, job) == "done")
    uninterrupted(shop)


def test_a_job_that_ends_while_its_worker_leaves_is_not_counted_whatever_its_exit_code(shop, drive):
    """Told to stop before it could listen, a process ends by the signal."""
    job = submit(shop)
    worker = drive(shop, executor=Scripted("sleep 100"))
    worker.drive(lambda: worker.held)
    worker._leave()
    record = jobs.job(shop, job)
    assert (record.state, record.attempts, record.max_attempts) == ("queued", 1, 4)


def test_a_worker_leaves_when_it_is_idle(shop, start_worker):
    job = jobs.submit(shop, "evaluate", verbs.EvaluateRequest(run=verbs.train(shop, quick()).run, device="cpu")).job
    worker = start_worker(shop, "--idle-exit", "0.5")
    assert worker.wait(PATIENCE) == 0
    assert state(shop, job) == "done"
    assert jobs.jobs(shop, jobs.JobsRequest()).workers == []


def quick():
    return verbs.TrainRequest(**(ENDLESS | {"epochs": 1}))


def test_an_idle_worker_that_sees_a_job_at_the_last_moment_stays(shop, drive):
    """Whoever submits looks for live workers afterwards: it sees none, or this worker sees the job."""
    worker = drive(shop, executor=Scripted("exit 0"))
    worker.tick()
    assert len(jobs.jobs(shop, jobs.JobsRequest()).workers) == 1
    job = submit(shop)
    assert worker._deregister() is False
    worker.drive(lambda: worker.held)
    assert len(jobs.jobs(shop, jobs.JobsRequest()).workers) == 1
    jobs.cancel(shop, job)
    worker.drive(lambda: state(shop, job) == "cancelled")
    assert worker._deregister() is True
    assert jobs.jobs(shop, jobs.JobsRequest()).workers == []


def test_two_workers_after_one_job(any_shop, drive):
    job = submit(any_shop)
    both = [drive(any_shop, executor=Scripted("sleep 1")), drive(any_shop, executor=Scripted("sleep 1"))]
    threads = [threading.Thread(target=worker.tick) for worker in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(worker.held) for worker in both) == [0, 1]
    assert jobs.job(any_shop, job).attempts == 1


STUBBORN = (
    "trap '' TERM; bash -c \"trap '' TERM; sleep 1000\" & setsid bash -c \"trap '' TERM; sleep 1001; true\" & wait; wait"
)


def test_a_cancelled_job_that_ignores_sigterm_is_killed_with_all_that_it_started(shop, settings, drive):
    settings = settings.model_copy(update={"cancel_seconds": 0.5})
    workspace = Workspace.open(settings)
    job = submit(workspace)
    worker = drive(workspace, executor=Scripted(STUBBORN))

    def started():
        processes = [psutil.Process(held.handle.process.pid) for held in worker.held.values()]
        return processes + [below for process in processes for below in children(process)]

    worker.drive(lambda: len(started()) >= 4)  # the script, two shells and the sleep of one of them, at least
    family = started()
    assert jobs.cancel(workspace, job).status == "stopping at the next checkpoint"
    worker.drive(lambda: worker.held and next(iter(worker.held.values())).cancelled_at is not None)
    assert all(running(process) for process in family)
    worker.drive(lambda: state(workspace, job) == "cancelled")
    until(lambda: not any(running(process) for process in family))
    assert jobs.job(workspace, job).error is None
    workspace.close()


def test_a_cancelled_training_stops_at_its_checkpoint_and_goes_on_when_it_is_tried_again(shop, drive, uninterrupted):
    job = submit(shop)
    worker = drive(shop)
    worker.drive(trained(shop, 2))
    jobs.cancel(shop, job)
    worker.drive(lambda: state(shop, job) == "cancelled")
    stopped = the_run(shop)
    assert stopped.state == "stopped" and stopped.epochs_done < 60 and "Stopped as asked" in jobs.log_tail(shop, job)
    assert jobs.retry(shop, job).state == "queued"
    worker.drive(lambda: state(shop, job) == "done")
    assert jobs.job(shop, job).result["run"] == stopped.id
    uninterrupted(shop)


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(workers, "PAUSES", (0.05, 0.1))


def refusing(executor, error, monkeypatch):
    """Its starts raise the error; returns a list that grows by each."""
    tried = []

    def start(job):
        tried.append(job.job)
        raise error

    monkeypatch.setattr(executor, "start", start)
    return tried


@pytest.mark.parametrize("error", [OutageError("The cluster is away."), OSError(12, "Cannot allocate memory")])
def test_a_machine_that_can_start_nothing_costs_no_job_an_attempt(shop, drive, monkeypatch, error):
    executor = Scripted("exit 1")
    both = [submit(shop, seed=seed) for seed in (1, 2)]
    worker = drive(shop, executor=executor)
    with monkeypatch.context() as context:
        tried = refusing(executor, error, context)
        for _ in range(5):
            worker.tick()
        assert tried == both[:1] and worker.held == {}  # and then it waits
        context.setattr(workers, "PAUSES", (0.05, 0.1))
        worker._next_claim = 0.0
        worker.drive(lambda: len(tried) >= 5)
        assert [state(shop, job) for job in both] == ["queued", "queued"]
    worker._next_claim = 0.0
    worker.drive(lambda: all(state(shop, job) == "failed" for job in both))
    assert "attempt" in jobs.job(shop, both[0]).error  # three real ones
    assert jobs.job(shop, both[1]).attempts == 3


def test_a_job_that_cannot_be_started_is_told(shop, drive, monkeypatch):
    executor = Scripted("exit 0")
    tried = refusing(executor, ModelError("It has no\x00model."), monkeypatch)
    job = submit(shop)
    worker = drive(shop, executor=executor)
    worker.drive(lambda: state(shop, job) == "failed")
    assert jobs.job(shop, job).error == "It could not be started: It has no model."
    assert tried == [job] * 3 and worker.held == {}


def test_an_outage_that_ends_a_process_costs_no_attempt(shop, drive, no_pause):
    job = submit(shop)
    worker = drive(shop, executor=Scripted(f"echo database is away; exit {TRY_AGAIN}"))
    worker.drive(lambda: jobs.job(shop, job).attempts == 5)
    jobs.cancel(shop, job)
    worker.drive(lambda: state(shop, job) == "cancelled")
    lines = jobs.log_tail(shop, job).splitlines()
    assert "--- queued: The job's process ended with exit code 75 in attempt 1. Its log ends with: database is away" in lines


def test_after_an_outage_nothing_is_claimed_for_a_while(shop, drive):
    job = submit(shop)
    worker = drive(shop, executor=Scripted(f"exit {TRY_AGAIN}"))
    worker.drive(lambda: worker.finished == 1)
    assert worker.held == {} and state(shop, job) == "queued"
    waits = []
    for _ in range(6):
        waits.append(round(worker._next_claim - time.monotonic()))
        worker._claim_later()
    assert waits == [2, 4, 8, 16, 30, 30]


def test_a_log_ends_with_what_a_database_refuses(any_shop, drive):
    job = submit(any_shop)
    worker = drive(any_shop, executor=Scripted("printf 'torn\\0 \\033[1mlog'; exit 1"))
    worker.drive(lambda: state(any_shop, job) == "failed")
    assert jobs.job(any_shop, job).error.endswith("Its log ends with: torn   [1mlog")


def test_a_job_that_cannot_be_settled_is_left_to_its_lease_and_others_go_on(shop, drive, monkeypatch):
    both = [submit(shop, seed=seed) for seed in (1, 2)]
    worker = drive(shop, slots=2, executor=Scripted("sleep 1000"))
    worker.drive(lambda: len(worker.held) == 2)
    process = worker.held[both[0]].handle.process
    monkeypatch.setattr(worker.held[both[0]].handle, "poll", lambda: 1 / 0)
    jobs.cancel(shop, both[1])
    worker.drive(lambda: state(shop, both[1]) == "cancelled")
    assert state(shop, both[0]) == "running" and worker.held == {} and process.wait(10) == -signal.SIGKILL


class Hanging:
    """A store that says nothing until it is let go."""

    url = "s3://far/away"

    def __init__(self):
        self.go_on, self.published, self.fetched = threading.Event(), [], []

    def publish(self, name):
        self.go_on.wait(PATIENCE)
        self.published.append(name)

    def fetch(self, name):
        self.go_on.wait(PATIENCE)
        self.fetched.append(name)
        return False


def test_a_store_that_hangs_keeps_nobody_from_its_leases(shop, drive, no_pause):
    job = submit(shop)
    shop.remote = Hanging()
    worker = drive(shop, executor=Scripted("exit 1"))
    worker.lease = timedelta(seconds=LEASE)
    worker.drive(lambda: worker.finished)
    began = worker._extended
    worker.drive(lambda: worker._extended > began)  # it beats, and waits for what may be in the log only so long
    worker.drive(lambda: jobs.job(shop, job).attempts >= 2)
    assert worker.held == {} and state(shop, job) == "queued"
    shop.remote.go_on.set()
    worker.drive(lambda: state(shop, job) == "failed")
    worker.logs.close(PATIENCE)
    name = f"jobs/{job}.log"
    assert set(shop.remote.published) == set(shop.remote.fetched) == {name}


def test_a_copy_of_a_log_is_not_fetched_over_the_newest_one(shop):
    shop.remote = Hanging()
    shop.remote.go_on.set()
    logs = Logs(shop)
    path = shop.path("jobs/some.log")
    path.parent.mkdir()
    path.write_text("--- attempt 1\nlines\n")
    logs.fetch("jobs/some.log", 1, PATIENCE)
    logs.fetch("jobs/some.log", 2, PATIENCE)
    assert shop.remote.fetched == []
    logs.fetch("jobs/some.log", 3, PATIENCE)
    assert shop.remote.fetched == ["jobs/some.log"]
    logs.close(PATIENCE)


class Line:
    """A connection to a server of this machine that can be cut: nothing goes through, and nobody is told."""

    def __init__(self, port: int) -> None:
        self.port, self.cut = port, threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.here = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            other = socket.create_connection(("127.0.0.1", self.port))
            for source, target in ((accepted, other), (other, accepted)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                while self.cut.is_set():
                    time.sleep(0.02)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self.cut.clear()
        self._listening.close()


@pytest.mark.parametrize("lease", [LEASE])
def test_a_worker_that_is_cut_off_ends_its_processes_before_its_lease_ends(postgres_shop, start_worker, drive, uninterrupted):
    """Its calls to the database hang. Another worker goes on with the job, and no moment has two processes."""
    url = make_url(postgres_shop.settings.database_url)
    line = Line(url.port)
    settings = postgres_shop.settings.model_copy(
        update={"database_url": url.set(port=line.here).render_as_string(hide_password=False)}
    )
    far = Workspace(settings, postgres_shop.engine)  # only its settings are used
    job = submit(postgres_shop)
    worker = start_worker(far)
    until(trained(postgres_shop, 2))
    process = process_of(job)
    line.cut.set()
    until(lambda: not running(process), 2 * LEASE)
    with postgres_shop.reading() as session:
        assert rows.lease_left(session, job, 1) > 0
    assert worker.poll() is None
    second = drive(postgres_shop)
    second.drive(lambda: job in second.held)
    line.cut.clear()
    second.drive(lambda: state(postgres_shop, job) == "done")
    uninterrupted(postgres_shop)
    until(lambda: len(jobs.jobs(postgres_shop, jobs.JobsRequest()).workers) == 2)  # the first one is back
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    line.close()


def test_the_end_of_a_process_in_words():
    assert workers._ending(-9) == "was ended by signal SIGKILL"
    assert workers._ending(-100) == "was ended by signal 100"
    assert workers._ending(75) == "ended with exit code 75"


@pytest.mark.parametrize("code", [0, 1])
def test_a_process_that_says_nothing_in_the_row_has_died(shop, drive, code):
    job = submit(shop)
    worker = drive(shop, executor=Scripted(f"echo out of luck; exit {code}"))
    worker.drive(lambda: state(shop, job) == "failed")
    record = jobs.job(shop, job)
    assert record.attempts == 3
    assert record.error == f"The job's process ended with exit code {code} in attempt 3. Its log ends with: out of luck"
