"""The workspace keeps datasets whole: what is saved comes back equal, and what fails leaves nothing behind."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.readers import Rejection
from genair_engine.catalog.readers.assemble import ReadResult
from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError, NotFoundError, OutageError, WorkspaceError
from genair_engine.settings import Settings
from genair_engine.store import artifacts, datasets
from genair_engine.store.tables import Base, DatasetRow, ItemRow, RunRow
from genair_engine.workspace import Workspace, content_hash

REJECTED = [
    Rejection("a.inter", 3, "unknown item", "u1\tx"),
    Rejection("a.item", None, "not text", "\0half \ud800 of a pair"),
]


def everything(workspace: Workspace) -> tuple[dict[str, int], list[str]]:
    """Rows a table, and the names of all files and folders."""
    with workspace.reading() as session:
        rows = {table.name: session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables}
    return rows, sorted(str(path.relative_to(workspace.folder)) for path in workspace.folder.rglob("*/*"))


def test_round_trip(store_workspace: Workspace, tiny: Dataset) -> None:
    full = Dataset(
        **{name: getattr(tiny, name) for name in ("name", "items", "sequences", "user_ids")},
        users=pd.DataFrame({"user_id": tiny.user_ids, "age": range(10)}),
        triples=pd.DataFrame({"head": ["m.1"], "relation": ["made_by"], "tail": ["m.2"]}),
        links=pd.DataFrame({"item_id": ["b01"], "entity": ["m.1"]}),
        provenance={"format": "test", "files": {"a": "é"}},
    )
    attributes = {"zebra": "1", "apple": "2", "Müller 🦓": '"quoted" \n'}
    full.items.at[3, "attributes"] = attributes
    row = store_workspace.save_dataset(ReadResult(full, REJECTED), "test")
    assert (row.n_users, row.n_items, row.n_interactions, row.n_rejected) == (10, 12, 35, 2)

    loaded = Workspace.open(store_workspace.settings).load_dataset("tiny")
    pd.testing.assert_frame_equal(loaded.items, full.items)
    assert list(loaded.items["attributes"][3].items()) == list(attributes.items())
    for name in ("users", "triples", "links"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(full, name))
    np.testing.assert_array_equal(loaded.sequences.items, full.sequences.items)
    np.testing.assert_array_equal(loaded.sequences.offsets, full.sequences.offsets)
    assert loaded.sequences.items.dtype == np.int32
    assert (loaded.user_ids, loaded.provenance) == (full.user_ids, full.provenance)
    assert content_hash(loaded) == row.content_hash
    assert store_workspace.load_dataset("tiny") is store_workspace.load_dataset("tiny")


def test_items_know_their_popularity(store_workspace: Workspace, tiny: Dataset) -> None:
    row = store_workspace.save_dataset(ReadResult(tiny, []), "test")
    with store_workspace.reading() as session:
        items = session.scalars(select(ItemRow).where(ItemRow.dataset_id == row.id).order_by(ItemRow.position)).all()
    assert [item.popularity for item in items] == tiny.popularity[1:].tolist()
    assert [item.popularity_group for item in items] == tiny.popularity_group[1:].tolist()


def test_negatives_are_kept(store_workspace: Workspace, tiny: Dataset) -> None:
    store_workspace.save_dataset(ReadResult(tiny, []), "test")
    negatives = store_workspace.negatives("tiny")
    assert negatives.shape == (8, 100)
    assert negatives.dtype == np.int32
    for row, user in zip(negatives, tiny.split.users, strict=True):
        assert not set(row) & set(tiny.sequences[user])


def test_import_report_survives_hostile_records(store_workspace: Workspace, tiny: Dataset) -> None:
    row = store_workspace.save_dataset(ReadResult(tiny, REJECTED), "test")
    with store_workspace.reading() as session:
        report = datasets.list_rejections(session, row.id)
    assert [(entry.file, entry.line, entry.reason) for entry in report] == [
        ("a.inter", 3, "unknown item"),
        ("a.item", None, "not text"),
    ]
    assert report[1].record == "\\x00half \\ud800 of a pair"


def test_content_hash_sees_items_attributes_order_and_sequences(tiny: Dataset) -> None:
    def changed(**parts: object) -> str:
        return content_hash(
            Dataset(**{"name": "x", "items": tiny.items, "sequences": tiny.sequences, "user_ids": tiny.user_ids, **parts})
        )  # type: ignore[arg-type]

    reordered = tiny.items.copy()
    reordered["attributes"] = [dict(reversed(list(value.items()))) for value in tiny.items["attributes"]]
    renamed = tiny.items.assign(item_id=[f"x{k}" for k in range(12)])
    moved = Sequences(tiny.sequences.items[::-1].copy(), tiny.sequences.offsets)
    hashes = [changed(), changed(items=reordered), changed(items=renamed), changed(sequences=moved)]
    assert hashes[0] == content_hash(tiny)
    assert len(set(hashes)) == 4


def test_names_are_unique_and_plain(store_workspace: Workspace, tiny: Dataset) -> None:
    store_workspace.save_dataset(ReadResult(tiny, []), "test")
    before = everything(store_workspace)
    with pytest.raises(InputError, match=r"already a dataset 'tiny'\. Choose another name, or delete"):
        store_workspace.save_dataset(ReadResult(tiny, []), "test")
    for name in ("../up", "", "a/b", ".hidden", "x" * 101):
        with pytest.raises(InputError, match="cannot name a dataset"):
            store_workspace.save_dataset(ReadResult(Dataset(name, tiny.items, tiny.sequences, tiny.user_ids), []), "t")
    assert everything(store_workspace) == before
    with pytest.raises(NotFoundError, match="Did you mean tiny"):
        store_workspace.load_dataset("tinny")


@pytest.mark.parametrize("bad", ["nul \0", "half \ud800", "id"])
def test_failed_save_leaves_no_rows_and_no_files(store_workspace: Workspace, tiny: Dataset, bad: str) -> None:
    before = everything(store_workspace)
    if bad == "id":
        tiny.items.loc[11, "item_id"] = "b01"
    else:
        tiny.items.at[11, "attributes"] = {"note": bad}
    with pytest.raises(InputError, match=r"cannot be stored|not valid Unicode"):
        store_workspace.save_dataset(ReadResult(tiny, []), "test")
    assert everything(store_workspace) == before


def test_failure_while_building_artifacts(store_workspace: Workspace, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    before = everything(store_workspace)
    monkeypatch.setattr(artifacts, "save_file", full_disk)
    with pytest.raises(WorkspaceError, match=r"Cannot write .*safetensors: No space left on device"):
        store_workspace.save_dataset(ReadResult(tiny, []), "test")
    assert everything(store_workspace) == before


def test_a_commit_whose_answer_is_lost_keeps_the_files(
    store_workspace: Workspace, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store_workspace.session

    @contextmanager
    def lost() -> Iterator[Session]:
        with session() as opened:
            yield opened
        raise OutageError("the connection died")

    with monkeypatch.context() as patched, pytest.raises(OutageError):
        patched.setattr(store_workspace, "session", lost)
        store_workspace.save_dataset(ReadResult(tiny, []), "test")
    assert store_workspace.load_dataset("tiny").n_items == 12


def _die_before_commit(settings: Settings, dataset: Dataset) -> None:
    datasets.insert_rejections = lambda *_arguments: os._exit(9)  # type: ignore[assignment]
    Workspace.open(settings).save_dataset(ReadResult(dataset, []), "test")


def test_crash_between_artifacts_and_commit(store_workspace: Workspace, tiny: Dataset) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_before_commit, args=(store_workspace.settings, tiny))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert set(everything(store_workspace)[0].values()) == {0}
    store_workspace.save_dataset(ReadResult(tiny, []), "test")
    assert store_workspace.load_dataset("tiny").n_items == 12


def test_delete_takes_everything_along(store_workspace: Workspace, tiny: Dataset) -> None:
    before = everything(store_workspace)
    row = store_workspace.save_dataset(ReadResult(tiny, REJECTED), "test")
    texts = dict.fromkeys(("backbone", "method", "loss", "config_key", "device", "code_version"), "")
    with store_workspace.session() as session:
        session.add(RunRow(id="r1", dataset_id=row.id, seed=2**40, config={}, state="done", folder="runs/r1", **texts))
    with artifacts.building(store_workspace.path("runs/r1")) as folder:
        artifacts.save_json(folder / "config.json", {})
    store_workspace.delete_dataset("tiny")
    rows, files = everything(store_workspace)
    assert (rows, files) == before
    with pytest.raises(NotFoundError):
        store_workspace.load_dataset("tiny")


def test_corrupt_and_missing_artifacts_are_named(store_workspace: Workspace, tiny: Dataset) -> None:
    row = store_workspace.save_dataset(ReadResult(tiny, []), "test")
    path = store_workspace.path(row.folder) / "sequences.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(WorkspaceError, match=r"sequences\.safetensors cannot be read"):
        store_workspace.load_dataset("tiny")
    path.unlink()
    with pytest.raises(WorkspaceError, match=r"sequences\.safetensors is missing"):
        store_workspace.load_dataset("tiny")


def test_sessions_commit_or_roll_back(store_workspace: Workspace, tiny: Dataset) -> None:
    store_workspace.save_dataset(ReadResult(tiny, []), "test")
    with pytest.raises(ZeroDivisionError), store_workspace.session() as session:
        datasets.find_dataset(session, "tiny").format = "lost"
        session.flush()
        raise ZeroDivisionError
    with store_workspace.reading() as session:
        datasets.find_dataset(session, "tiny").format = "never written"
    assert store_workspace.dataset_row("tiny").format == "test"
    with store_workspace.session() as session:
        datasets.find_dataset(session, "tiny").format = "kept"
    assert store_workspace.dataset_row("tiny").format == "kept"


def _count_up(settings: Settings, times: int) -> None:
    workspace = Workspace.open(settings)
    for _ in range(times):
        with workspace.session() as session:  # reads, then writes: would fail at once without the lock at BEGIN
            row = session.scalars(select(DatasetRow).with_for_update()).one()
            row.n_rejected = row.n_rejected + 1
    workspace.close()


def test_two_processes_write_at_once(store_workspace: Workspace, tiny: Dataset) -> None:
    store_workspace.save_dataset(ReadResult(tiny, []), "test")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count_up, args=(store_workspace.settings, 40)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert store_workspace.dataset_row("tiny").n_rejected == 80
