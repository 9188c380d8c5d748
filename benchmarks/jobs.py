"""The queue of jobs: `python -m benchmarks.jobs [--jobs 1000]`, Markdown on stdout.

Worker processes claim jobs and end them as fast as the database lets them: the queries of a real worker for each job (is
there one, claim, progress, end), without a process per job and without work. Every job must be claimed exactly once. It is
timed from the moment that all workers are connected to the moment that the last has found the queue empty. PostgreSQL 20
workers, SQLite 4. Then the queries that a page costs which watches 10 running jobs once a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import Engine, event, select

from genair_engine import jobs
from genair_engine.settings import Settings
from genair_engine.store import jobs as rows
from genair_engine.store.tables import JobRow, WorkerRow
from genair_engine.workspace import Workspace
from tests.postgres import programs, running_server

LEASE = timedelta(seconds=30)
CPU = rows.Offer({}, has_gpus=False)
BAR = 50
"""Jobs a second on PostgreSQL."""


def work(settings: Settings, place: int, start: Barrier, done_by_workers: multiprocessing.Queue[list[str]]) -> None:
    """One worker: claims and ends jobs until there are none."""
    workspace, mine = Workspace.open(settings), []
    with workspace.reading() as session:
        rows.clock(session)
    start.wait()
    while True:
        with workspace.reading() as session:
            if session.scalars(select(JobRow.id).where(JobRow.state == "queued").limit(1)).first() is None:
                break
        with workspace.session() as session:
            job = rows.claim(session, f"worker-{place}", LEASE, CPU)
        if job is None:
            continue  # others hold what was there; they may fail
        with workspace.session() as session:
            rows.report(session, job.id, job.attempts, 1, 1, "done")
        with workspace.session() as session:
            rows.finish(session, job.id, job.attempts, "done", result={"worker": place})
        mine.append(job.id)
    done_by_workers.put(mine)
    workspace.close()


def run(settings: Settings, workers: int, number: int) -> tuple[float, int, int]:
    """(seconds, jobs that were done exactly once, most jobs that one worker did)."""
    workspace = Workspace.open(settings)
    with workspace.session() as session:
        session.add_all(_job(index) for index in range(number))
    context = multiprocessing.get_context("spawn")
    start, done_by_workers = context.Barrier(workers + 1), context.Queue()
    processes = [context.Process(target=work, args=(settings, place, start, done_by_workers)) for place in range(workers)]
    for process in processes:
        process.start()
    start.wait()
    began = time.perf_counter()
    parts = [done_by_workers.get() for _ in processes]
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    claimed = Counter(job for part in parts for job in part)
    with workspace.reading() as session:
        done = {row.id for row in session.scalars(select(JobRow)) if (row.state, row.attempts) == ("done", 1)}
    workspace.close()
    return seconds, sum(claimed[job] == 1 for job in done), max(map(len, parts))


def queries_of_a_look(settings: Settings) -> int:
    """Statements that `jobs.jobs` sends with 10 running jobs of 10 workers."""
    workspace = Workspace.open(settings)
    with workspace.session() as session:
        now = rows.clock(session)
        for index in range(10):
            session.add(_job(index))
            values = {"host": "here", "pid": 1, "executor": "local", "slots": 1, "devices": []}
            session.add(WorkerRow(id=f"worker-{index}", started_at=now, heartbeat_at=now, lease_until=now + LEASE, **values))
    for index in range(10):
        with workspace.session() as session:
            rows.claim(session, f"worker-{index}", LEASE, CPU)
    with counted(workspace.engine) as statements:
        looked = jobs.jobs(workspace, jobs.JobsRequest())
    assert [job.state for job in looked.jobs] == ["running"] * 10
    workspace.close()
    return len(statements)


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that are sent in the block."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def _job(index: int) -> JobRow:
    return JobRow(
        id=f"evaluate-{index}",
        kind="evaluate",
        title="A short job",
        config={},
        key=str(index),
        gpus=0,
        max_attempts=3,
        log=f"jobs/{index}.log",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    number = parser.parse_args().jobs
    postgres = programs()
    if postgres is None:
        parser.error("PostgreSQL is not installed: apt-get install postgresql")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| database | workers | jobs | exactly once | jobs/s | most by one worker | queries of a look at 10 running jobs |")
    print("|---|---|---|---|---|---|---|")
    with ExitStack() as stack:
        port = stack.enter_context(running_server(postgres))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = f"postgresql+psycopg://genair@127.0.0.1:{port}"
        for name, workers, urls in (
            ("PostgreSQL", 20, (f"{server}/postgres", f"{server}/template1")),
            ("SQLite", 4, (None, None)),
        ):
            busy, watched = (
                Settings(workspace=folder / f"{name}-{place}", database_url=url) for place, url in enumerate(urls)
            )
            seconds, once, most = run(busy, workers, number)
            speed = f"{number / seconds:,.0f}" + (f" (bar: {BAR})" if name == "PostgreSQL" else "")
            print(
                f"| {name} | {workers} | {number:,} | {once:,} | {speed} | {most} | {queries_of_a_look(watched)} |", flush=True
            )
            assert once == number


if __name__ == "__main__":
    main()
