"""The process of an attempt that no worker holds a pipe to, as on a Ray cluster: its lease alone says how long it may run."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import psutil
import pytest
from sqlalchemy import make_url

from genair_engine.settings import REPOSITORY
from genair_engine.store import jobs as rows
from tests.jobs.conftest import ENDLESS, LEASE, running, submit, trained, until
from tests.jobs.test_worker import Line


@pytest.mark.parametrize("lease", [LEASE])
def test_a_process_whose_database_says_nothing_ends_before_its_lease(postgres_shop, lease):
    url = make_url(postgres_shop.settings.database_url)
    line = Line(url.port)
    there = url.set(port=line.here).render_as_string(hide_password=False)
    settings = postgres_shop.settings.model_copy(update={"database_url": there})
    job = submit(postgres_shop, **ENDLESS)
    length, offer = timedelta(seconds=lease), rows.Offer({}, has_gpus=False)
    with postgres_shop.session() as session:
        assert rows.claim(session, "far", length, offer).id == job
    process = subprocess.Popen(
        [sys.executable, "-m", "genair_engine.jobs.run", job, "1"],
        cwd=REPOSITORY,
        env=os.environ | settings.environment(),
        start_new_session=True,
    )
    try:

        def under_way() -> bool:
            with postgres_shop.session() as session:
                rows.extend(session, "far", length, {job: (1, {})})
            return trained(postgres_shop, 2)()

        until(under_way)
        line.cut.set()
        until(lambda: not running(psutil.Process(process.pid)), 2 * lease)
        with postgres_shop.reading() as session:
            assert rows.lease_left(session, job, 1) > 0
    finally:
        process.kill()
        process.wait()
        line.close()
