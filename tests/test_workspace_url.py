"""A workspace that is a URL: two machines, each with a cache of its own, work on the same data sets, sets and runs.

The artifacts are on a server that speaks S3. Both machines are this one, so that they may share a SQLite file, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select

from genair_engine import verbs
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers.assemble import ReadResult
from genair_engine.catalog.synthetic import write_lcrec
from genair_engine.errors import InputError, NotFoundError, WorkspaceError
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.store import artifacts
from genair_engine.store.tables import RunRow, TextRow
from genair_engine.workspace import Workspace, content_hash
from tests.verbs_workspaces import SHORT, SMALL

Machines = tuple[Workspace, Workspace]


def opened(url: str | Path, folder: Path, models: Path, database: str | None = None) -> Workspace:
    settings = Settings(workspace=url, cache_dir=folder / "cache", models_dir=models, database_url=database)
    return Workspace.open(settings)


@pytest.fixture
def machines(s3_bucket: str, store_url: str, tmp_path: Path, models_dir: Path) -> Iterator[Machines]:
    both = tuple(opened(f"{s3_bucket}/studio", tmp_path / name, models_dir, store_url) for name in ("a", "b"))
    yield both
    for workspace in both:
        workspace.close()


@pytest.fixture
def on_sqlite(s3_bucket: str, tmp_path: Path, models_dir: Path) -> Iterator[Machines]:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    both = tuple(opened(f"{s3_bucket}/studio", tmp_path / name, models_dir, url) for name in ("a", "b"))
    yield both
    for workspace in both:
        workspace.close()


def objects(workspace: Workspace) -> list[str]:
    """What is at the URL."""
    files = fsspec.filesystem("s3")
    files.invalidate_cache()
    root = workspace.settings.url.removeprefix("s3://")
    return sorted(name.removeprefix(f"{root}/") for name in files.find(root))


def stop_after(epoch: int, seen: list[int]) -> Callable[[int, int, str], None]:
    """Progress of a training that is interrupted when that epoch is complete."""

    def progress(done: int, of: int, what: str) -> None:
        if what.startswith("epoch"):
            seen.append(done)
        if done == epoch and what.startswith("epoch"):
            raise KeyboardInterrupt

    return progress


def test_a_data_set_imported_here_is_loaded_and_deleted_there(machines: Machines, tiny: Dataset) -> None:
    a, b = machines
    tiny = replace(tiny, users=pd.DataFrame({"user_id": tiny.user_ids, "age": range(10)}))
    row = a.save_dataset(ReadResult(tiny, []), "test")
    assert objects(a) == [
        f"{row.folder}/{name}" for name in ("negatives.safetensors", "sequences.safetensors", "users.parquet")
    ]
    loaded = b.load_dataset("tiny")
    assert content_hash(loaded) == content_hash(tiny)
    pd.testing.assert_frame_equal(loaded.users, tiny.users)
    np.testing.assert_array_equal(b.negatives("tiny"), a.negatives("tiny"))
    assert b.path(row.folder) != a.path(row.folder)

    b.delete_dataset("tiny")
    assert objects(a) == []
    with pytest.raises(NotFoundError):
        a.load_dataset("tiny")


def test_two_machines_make_what_one_makes(on_sqlite: Machines, tiny: Dataset, tmp_path: Path, models_dir: Path) -> None:
    """Archetypes by both in turn, a representation, and a run that changes machines after every epoch."""
    a, b = on_sqlite
    alone = opened(tmp_path / "alone", tmp_path, models_dir)
    generate = {"dataset": "tiny", "model": "tiny-llama", "sampling": SHORT, "device": "cpu"}
    representations = {}
    for first, second in ((alone, alone), (a, b)):
        first.save_dataset(ReadResult(tiny, []), "test")
        verbs.generate(first, verbs.GenerateRequest(**generate, limit=5))
        assert verbs.generate(second, verbs.GenerateRequest(**generate)).written == tiny.n_items - 5
        verbs.score(first, verbs.ScoreRequest(dataset="tiny"))
        request = verbs.RepresentRequest(dataset="tiny", model="tiny-llama")
        representations[first] = verbs.represent(first, request).representation

    (there,), (here,) = (verbs.item_scores(machine, "tiny", "b01") for machine in (b, alone))
    assert (there.scores, there.text, there.stale) == (here.scores, here.text, False)

    request = verbs.TrainRequest(dataset="tiny", representation=representations[alone], **SMALL)
    whole = verbs.train(alone, request)
    request = verbs.TrainRequest(dataset="tiny", representation=representations[a], **SMALL)
    seen: list[int] = []
    for machine, epoch in ((a, 1), (b, 2)):
        with pytest.raises(KeyboardInterrupt):
            verbs.train(machine, request, stop_after(epoch, seen))
    run = verbs.train(a, request, stop_after(0, seen))
    assert seen == [1, 2, 3]
    assert (run.metrics, run.best_epoch) == (whole.metrics, whole.best_epoch)

    folder = f"runs/{run.run}"
    assert [name for name in objects(a) if name.startswith("runs/")] == [
        f"{folder}/model.safetensors",
        f"{folder}/ranks.safetensors",
    ]
    assert verbs.evaluate(b, verbs.EvaluateRequest(run=run.run)).metrics == run.metrics
    asked = verbs.RecommendRequest(run=run.run, items=["b01", "b02"], k=3)
    assert verbs.recommend(b, asked) == verbs.recommend(a, asked)
    other = verbs.train(b, request.model_copy(update={"seed": 7}))
    compared = verbs.compare(a, verbs.CompareRequest(a=[run.run], b=[other.run]))
    assert compared.b.mean == pytest.approx(other.metrics["test"]["full"]["NDCG@10"])

    verbs.delete_dataset(b, verbs.DeleteRequest(dataset="tiny"))
    assert objects(a) == []
    alone.close()


def test_an_upload_that_fails_stops_a_run_which_goes_on_elsewhere(
    on_sqlite: Machines, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = on_sqlite
    a.save_dataset(ReadResult(tiny, []), "test")
    request = verbs.TrainRequest(dataset="tiny", method="id", **SMALL)
    whole = verbs.train(b, request)
    request = request.model_copy(update={"patience": 9})  # another run with the same course
    publish, calls = a.remote.publish, []

    def breaks(relative: str) -> None:
        calls.append(relative)
        if len(calls) == 2:
            raise WorkspaceError("the server is gone")
        publish(relative)

    monkeypatch.setattr(a.remote, "publish", breaks)
    with pytest.raises(WorkspaceError, match="the server is gone"):
        verbs.train(a, request)
    with b.reading() as session:
        runs = session.scalars(select(RunRow).where(RunRow.id != whole.run)).all()
    assert [(run.state, run.epochs_done) for run in runs] == [("stopped", 1)]
    seen: list[int] = []
    assert verbs.train(b, request, stop_after(0, seen)).metrics == whole.metrics
    assert seen == [2, 3]


def test_a_bucket_that_is_gone_leaves_no_row(on_sqlite: Machines, tiny: Dataset, models_dir: Path) -> None:
    a, _ = on_sqlite
    row = a.save_dataset(ReadResult(tiny, []), "test")
    generate = verbs.GenerateRequest(dataset="tiny", model="tiny-llama", sampling=SHORT, device="cpu", limit=2)
    verbs.generate(a, generate)
    fsspec.filesystem("s3").rm(a.settings.url.split("/")[2], recursive=True)

    message = r"s3://bucket-.*/studio/.* does not exist\. Is the bucket"
    with pytest.raises(WorkspaceError, match=message):
        a.save_dataset(ReadResult(replace(tiny, name="second"), []), "test")
    assert [dataset.name for dataset in a.dataset_rows()] == ["tiny"]
    assert [path.name for path in (a.folder / "datasets").iterdir()] == [Path(row.folder).name]
    with pytest.raises(WorkspaceError, match=message):
        verbs.generate(a, generate.model_copy(update={"limit": 4}))
    with a.reading() as session:
        assert session.scalar(select(func.count()).select_from(TextRow)) == 2
    with pytest.raises(WorkspaceError, match=message):
        verbs.represent(a, verbs.RepresentRequest(dataset="tiny", model="minilm"))
    with pytest.raises(WorkspaceError, match=message):
        verbs.train(a, verbs.TrainRequest(dataset="tiny", method="id", **SMALL))


def test_an_artifact_that_is_missing_there(on_sqlite: Machines, tiny: Dataset) -> None:
    a, b = on_sqlite
    row = a.save_dataset(ReadResult(tiny, []), "test")
    a.remote.delete(row.folder)
    with pytest.raises(WorkspaceError, match=rf"s3://.*/studio/{row.folder} is missing\. Is GENAIR_WORKSPACE the workspace"):
        b.load_dataset("tiny")


def test_another_process_is_configured_by_its_environment(on_sqlite: Machines, tiny: Dataset, tmp_path: Path) -> None:
    a, _ = on_sqlite
    source = tmp_path / "source"
    source.mkdir()
    write_lcrec(tiny, source)
    options = fsspec.config.conf["s3"]
    environment = a.settings.environment() | {
        "GENAIR_CACHE_DIR": str(tmp_path / "third"),
        "FSSPEC_S3": json.dumps({"endpoint_url": options["endpoint_url"]}),
        "AWS_ACCESS_KEY_ID": options["key"],
        "AWS_SECRET_ACCESS_KEY": options["secret"],
    }
    command = [sys.executable, "-m", "genair_engine", "import", str(source), "--name", "shop"]
    done = subprocess.run(command, env=os.environ | environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert a.load_dataset("shop").n_items == tiny.n_items


def test_a_url_needs_a_database_that_can_be_shared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"GENAIR_WORKSPACE is s3://bucket/studio, .* PostgreSQL .* GENAIR_DATABASE_URL"):
        Workspace.open(Settings(workspace="s3://bucket/studio/", cache_dir=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_cache(tmp_path: Path) -> None:
    with_url = opened(f"file://{tmp_path}/folder", tmp_path, tmp_path)
    assert with_url.folder == tmp_path / "folder" and with_url.remote is None
    (with_url.folder / "model").write_text("weights")
    with_url.publish("model")
    assert with_url.fetch("model").read_text() == "weights"
    assert with_url.fetch("none") == with_url.path("none")
    with_url.remove("model")
    with_url.discard("none")
    assert sorted(path.name for path in with_url.folder.iterdir() if not path.name.startswith("genair.db")) == []
    assert not (tmp_path / "cache").exists()
    with_url.close()


def test_a_lock_is_of_one_machine(on_sqlite: Machines) -> None:
    a, b = on_sqlite
    with artifacts.locked(a.path("runs/x")) as first, artifacts.locked(b.path("runs/x")) as second:
        assert first and second
    assert objects(a) == []


def test_doctor_asks_the_url(on_sqlite: Machines) -> None:
    a, _ = on_sqlite
    for url, state in ((a.settings.url, "ok"), ("s3://no-such-bucket", "problem")):
        settings = a.settings.model_copy(update={"workspace": url})
        (check,) = (check for check in verbs.doctor(settings, verbs.DoctorRequest()).checks if check.name == "Artifacts")
        assert check.state == state and url in check.found
