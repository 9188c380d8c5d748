"""The worker with real processes: killed, asked to leave, cancelled, stubborn; nothing lost, nothing run twice."""

from __future__ import annotations

import psutil
import pytest

from genair_engine import jobs, verbs
from tests.jobs.conftest import kill, process_of, running, state, submit, the_run, trained, until


def test_a_killed_worker_takes_its_process_along_and_another_goes_on(any_shop, start_worker, drive, uninterrupted):
    job = submit(any_shop)
    worker = start_worker(any_shop)
    until(trained(any_shop, 3))
    process = process_of(job)
    kill(worker)
    until(lambda: not running(process), 2.0)
    assert jobs.job(any_shop, job).state == "running"
    second = drive(any_shop)
    second.drive(lambda: state(any_shop, job) == "done")
    found = jobs.job(any_shop, job)
    assert (found.attempts, found.error, found.runs) == (2, None, [the_run(any_shop).id])
    assert "attempt 2" in jobs.log_tail(any_shop, job) and jobs.log_tail(any_shop, job).count("epoch 2:") == 1
    uninterrupted(any_shop)
