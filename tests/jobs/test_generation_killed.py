"""A whole catalogue's generation as a job whose process is killed twice: every item is written exactly once."""

from __future__ import annotations

import numpy as np
from sqlalchemy import func, select

from genair_engine import jobs, verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.catalog.synthetic import synthetic_dataset, write_lcrec
from genair_engine.store import artifacts
from genair_engine.store.tables import TextFailureRow, TextRow, TextSetRow
from tests.jobs.conftest import after, kill, process_of, state

ITEMS = 80
SLOWLY = after("from genair_engine.verbs.texts import writing; writing.SAVE_EVERY = 4")
"""Its processes save often, so that there is something to go on with."""


def texts(workspace) -> int:
    with workspace.reading() as session:
        return session.scalar(select(func.count()).select_from(TextRow)) or 0


def test_a_catalogue_job_that_is_killed_twice_ends_with_every_item_once(workspace, settings, drive, tmp_path):
    source = tmp_path / "catalogue"
    source.mkdir()
    write_lcrec(synthetic_dataset(40, ITEMS, 400), source)
    verbs.import_dataset(workspace, verbs.ImportRequest(path=source, name="shop"))
    sampling = Sampling(max_new_tokens=60)
    request = verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=sampling, batch_size=4, device="cpu")
    job = jobs.submit(workspace, "generate", request).job
    worker = drive(workspace, executor=SLOWLY(settings))
    seen = 0
    for attempt in (1, 2):
        worker.drive(
            lambda attempt=attempt, seen=seen: jobs.job(workspace, job).attempts == attempt and texts(workspace) > seen
        )
        kill(process_of(job))
        seen = texts(workspace)
        assert 0 < seen < ITEMS, "killed too late to tell anything"
    worker.drive(lambda: state(workspace, job) == "done")
    record = jobs.job(workspace, job)
    result = record.result
    assert record.attempts == 3 and result["items"] + result["failed"] == ITEMS  # the tiny model's empty answers are no texts
    assert result["written"] <= ITEMS - seen - result["failed"]
    with workspace.reading() as session:
        positions = session.scalars(select(TextRow.position)).all()
        failed = session.scalars(select(TextFailureRow.position)).all()
        (text_set,) = session.scalars(select(TextSetRow)).all()
    assert sorted([*positions, *failed]) == list(range(1, ITEMS + 1)) and len(failed) == result["failed"]
    files = [artifacts.load_arrays(path) for path in workspace.path(text_set.folder).glob("states-*")]
    assert sorted(np.concatenate([arrays["positions"] for arrays in files]).tolist()) == sorted(positions)
    assert all(np.isfinite(arrays[part]).all() for arrays in files for part in ("prefill", "decoding"))
