"""Faults while a job runs: its process or the app is killed, the disk is full, the database locked or away, a file broken."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from genair_engine import jobs, verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.settings import REPOSITORY
from genair_engine.store import artifacts, database
from genair_engine.store import jobs as rows
from genair_engine.workspace import Workspace
from tests.jobs.conftest import (
    EPOCHS,
    LEASE,
    PATIENCE,
    Scripted,
    after,
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


def test_a_killed_process_is_started_again_and_resumes(shop, drive, uninterrupted):
    job = submit(shop)
    worker = drive(shop)
    worker.drive(trained(shop, 3))
    kill(process_of(job))
    worker.drive(lambda: jobs.job(shop, job).attempts == 2)
    worker.drive(trained(shop, 5))
    worker.drive(lambda: state(shop, job) == "done")
    record = jobs.job(shop, job)
    assert (record.attempts, record.error, record.done) == (2, None, EPOCHS)
    assert jobs.log_tail(shop, job).count("epoch 2:") == 1
    uninterrupted(shop)


def test_a_process_that_always_dies_is_started_three_times(shop, drive):
    job = submit(shop)
    worker = drive(shop, executor=Scripted("echo allocating; kill -9 $$"))
    worker.drive(lambda: state(shop, job) == "failed")
    record = jobs.job(shop, job)
    assert record.attempts == record.max_attempts == 3 and worker.held == {}
    assert record.error == "The job's process was ended by signal SIGKILL in attempt 3. Its log ends with: allocating"
    assert jobs.log_tail(shop, job).splitlines().count("allocating") == 3
    assert jobs.retry(shop, job).status == "queued: other jobs come first"
    worker.drive(lambda: state(shop, job) == "failed")
    assert jobs.job(shop, job).attempts == 6


APP = """
import sys, time
from genair_engine import jobs
from genair_engine.workspace import Workspace
jobs.ensure_worker(Workspace.open())
print("asked", flush=True)
time.sleep(1000)
"""


def app(workspace):
    """A process that asks for a worker, as the app does."""
    environment = os.environ | workspace.settings.environment()
    return subprocess.Popen([sys.executable, "-c", APP], env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE)


def laptop_workers(workspace):
    """The processes that work as the laptop's worker of this workspace."""
    workers = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "--only-one" in process.cmdline() and process.environ().get("GENAIR_WORKSPACE") == str(workspace.folder):
                workers.append(process)
    return [process for process in workers if running(process)]


def test_the_app_is_killed_and_its_worker_goes_on(shop, monkeypatch):
    """Two apps that ask at the same moment get one worker; a new app finds it; it outlives them all."""
    job = submit(shop, epochs=100_000, patience=100_000)
    apps = [app(shop), app(shop)]
    worker = None
    try:
        for app_process in apps:
            assert app_process.stdout.readline() == b"asked\n"
        until(trained(shop, 1))
        (known,) = jobs.jobs(shop, jobs.JobsRequest()).workers
        worker = psutil.Process(known.pid)
        until(lambda: [process.pid for process in laptop_workers(shop)] == [worker.pid])
        for app_process in apps:
            kill(app_process)
            app_process.wait()
        jobs.ensure_worker(shop)
        assert [process.pid for process in laptop_workers(shop)] == [worker.pid]
        done = the_run(shop).epochs_done
        until(trained(shop, done + 5))
        assert (jobs.job(shop, job).attempts, jobs.job(shop, job).worker) == (1, known.worker)
        assert "attempt 1" in (shop.folder / "jobs" / "worker.log").read_text()
        monkeypatch.setattr(jobs.laptop.subprocess, "Popen", lambda *_a, **_k: pytest.fail("started a second one"))
        jobs.ensure_worker(shop)
        jobs.cancel(shop, job)
        until(lambda: state(shop, job) == "cancelled")
    finally:
        for app_process in apps:
            app_process.kill()
            app_process.wait()
            app_process.stdout.close()
        for process in [worker] if worker is not None else laptop_workers(shop):
            family = [process, *children(process)]
            process.send_signal(signal.SIGTERM)
            until(lambda family=family: not any(running(each) for each in family))


def test_a_worker_is_started_where_jobs_wait_and_none_is_alive(shop, monkeypatch):
    class Process:
        def __init__(self, command, **_options):
            started.append(command)

        def poll(self):
            return None

    started = []
    monkeypatch.setattr(jobs.laptop, "_started", {})
    monkeypatch.setattr(jobs.laptop.subprocess, "Popen", Process)
    jobs.ensure_worker(shop)
    assert started == []  # nothing waits
    submit(shop)
    forbidden = Workspace(shop.settings.model_copy(update={"worker": "none"}), shop.engine)
    jobs.ensure_worker(forbidden)
    assert started == []
    jobs.ensure_worker(shop)
    jobs.ensure_worker(shop)
    assert len(started) == 1  # it is on its way
    monkeypatch.setattr(jobs.laptop, "STARTING_SECONDS", 0)
    jobs.ensure_worker(shop)  # it says nothing, and may be about to leave
    assert len(started) == 2


def test_a_laptop_s_worker_that_was_killed_is_not_waited_for(shop, drive, monkeypatch):
    with subprocess.Popen(["sleep", "1000"]) as other:
        worker = drive(shop)
        submit(shop)
        with shop.session() as session:
            now = rows.clock(session)
            row = worker._row(now + worker.lease, now)
            row.pid = other.pid
            rows.say_alive(session, row)
        started = []
        monkeypatch.setattr(jobs.laptop, "_started", {})
        monkeypatch.setattr(jobs.laptop.subprocess, "Popen", lambda *a, **_k: started.append(a))
        jobs.ensure_worker(shop)
        assert started == []
        other.kill()
        other.wait()
        jobs.ensure_worker(shop)
        assert len(started) == 1


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process's files")
def test_the_disk_is_full_while_a_checkpoint_is_written(postgres_shop, drive, uninterrupted):
    shop = postgres_shop
    job = submit(shop, epochs=EPOCHS)
    worker = drive(shop)
    worker.drive(trained(shop, 3))
    checkpoint = shop.folder / the_run(shop).folder / "checkpoint.safetensors"
    process = process_of(job)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (checkpoint.stat().st_size // 2, resource.RLIM_INFINITY))
    worker.drive(lambda: state(shop, job) != "running")
    record = jobs.job(shop, job)
    assert (record.state, record.attempts) == ("failed", 1)
    assert record.error.startswith(f"Cannot write {checkpoint}: ") and "the disk not full" in record.error
    run = the_run(shop)
    assert run.state == "stopped" and 3 <= run.epochs_done < EPOCHS
    assert f'"epochs_done": {run.epochs_done}' in artifacts.load_metadata(checkpoint)["progress"]
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["checkpoint.safetensors", "lock"]
    until(lambda: not running(process))
    jobs.retry(shop, job)
    worker.drive(lambda: state(shop, job) == "done")
    uninterrupted(shop)


IMPATIENT = after("from genair_engine.store import database; database.BUSY_SECONDS = 0.3")
"""Its processes wait for a locked database for 0.3 s instead of 10."""


def test_the_database_is_locked_for_too_long(settings, shop, drive, monkeypatch, uninterrupted):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.3)
    impatient = Workspace.open(settings)
    job = submit(shop)
    worker = drive(impatient, executor=IMPATIENT(settings))
    worker.drive(trained(shop, 3))
    process = process_of(job)
    writer = sqlite3.connect(shop.folder / "genair.db", isolation_level=None, timeout=10, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    worker.drive(lambda: not running(process))  # it could not keep its epoch
    assert state(shop, job) == "running"
    threading.Timer(0.5, lambda: writer.execute("COMMIT")).start()
    worker.drive(lambda: state(shop, job) == "done")
    writer.close()
    assert "database is locked" in jobs.log_tail(shop, job)
    assert jobs.job(shop, job).attempts == 2
    uninterrupted(shop)
    impatient.close()


@pytest.mark.parametrize("lease", [LEASE])
def test_postgresql_is_away_for_longer_than_a_lease(postgres_shop, postgres_url, start_worker, uninterrupted):
    shop = postgres_shop
    name = shop.engine.url.database
    job = submit(shop)
    worker = start_worker(shop)
    until(trained(shop, 3))
    process = process_of(job)
    shop.engine.dispose()
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        until(lambda: not running(process), 2 * LEASE)
        time.sleep(LEASE)  # both leases end
        assert worker.poll() is None
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    until(lambda: state(shop, job) == "done")
    assert jobs.job(shop, job).attempts == 2
    uninterrupted(shop)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def test_connections_that_break_are_no_end_of_a_job(postgres_shop, postgres_url, drive, uninterrupted):
    """A server that restarts quickly: all its connections break, new ones work."""
    shop = postgres_shop
    job = submit(shop)
    worker = drive(shop)
    worker.drive(trained(shop, 3))
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [shop.engine.url.database])
    worker.drive(lambda: state(shop, job) == "done")
    assert jobs.job(shop, job).attempts <= 2
    uninterrupted(shop)


def test_a_broken_file_fails_the_job_with_what_to_do(shop, drive):
    sampling = Sampling(max_new_tokens=6)
    verbs.generate(shop, verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=sampling, device="cpu"))
    represented = verbs.represent(shop, verbs.RepresentRequest(dataset="shop", model="tiny-llama"))
    job = submit(shop, method="genair", representation=represented.representation, epochs=1)
    (file,) = (path for path in Path(shop.folder).rglob("*.safetensors") if represented.representation in str(path))
    file.write_bytes(b"no safetensors")
    worker = drive(shop)
    worker.drive(lambda: state(shop, job) == "failed")
    record = jobs.job(shop, job)
    assert record.error.startswith(f"The artifact {file} cannot be read") and "make it anew" in record.error
    assert record.attempts == 1 and the_run(shop) is None  # trying again would not help


DEFECTIVE = after("from genair_engine.verbs.training import fitting\nfitting.train = lambda *asked: {}['key']")


def test_a_defect_is_called_one_and_keeps_its_traceback_in_the_log(shop, settings, drive):
    job = submit(shop)
    worker = drive(shop, executor=DEFECTIVE(settings))
    worker.drive(lambda: state(shop, job) == "failed")
    record = jobs.job(shop, job)
    assert record.error == "A defect of GenAIR Studio: KeyError: 'key'. The log has more." and record.attempts == 1
    assert "Traceback" in jobs.log_tail(shop, job)
