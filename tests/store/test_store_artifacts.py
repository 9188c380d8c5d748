"""Artifacts appear whole or not at all, and a bad one is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genair_engine.errors import WorkspaceError
from genair_engine.store import artifacts


def test_arrays_round_trip(tmp_path: Path) -> None:
    arrays = {
        "matrix": np.arange(12, dtype=np.float32).reshape(3, 4).T,  # not contiguous
        "empty": np.empty((0, 5), dtype=np.int32),
        "scalar": np.array(3, dtype=np.int64),
    }
    artifacts.save_arrays(tmp_path / "a.safetensors", arrays, {"model": "démo"})
    loaded = artifacts.load_arrays(tmp_path / "a.safetensors")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
    assert artifacts.load_metadata(tmp_path / "a.safetensors") == {"model": "démo"}
    assert os.listdir(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize("values", [[], [""], ["a", "", "Straße", "🦓\n"]])
def test_strings_round_trip(values: list[str]) -> None:
    assert artifacts.unpack_strings(*artifacts.pack_strings(values)) == values


def test_json_and_tables_round_trip(tmp_path: Path) -> None:
    artifacts.save_json(tmp_path / "a.json", {"z": 1, "a": ["é", None, 0.1]})
    assert list(artifacts.load_json(tmp_path / "a.json").items()) == [("z", 1), ("a", ["é", None, 0.1])]
    table = pd.DataFrame({"user_id": ["u1", "u2"], "age": [1, 2]})
    artifacts.save_table(tmp_path / "a.parquet", table)
    pd.testing.assert_frame_equal(artifacts.load_table(tmp_path / "a.parquet"), table)


def test_failed_replacement_keeps_the_old_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    artifacts.save_json(path, 1)
    with pytest.raises(ValueError, match="Out of range float"):
        artifacts.save_json(path, float("nan"))

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WorkspaceError, match=r"Cannot write .*a\.json: Permission denied"):
        artifacts.save_json(path, 2)
    assert artifacts.load_json(path) == 1
    assert os.listdir(tmp_path) == ["a.json"]


def test_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "one"
    with artifacts.building(folder) as aside:
        artifacts.save_json(aside / "a.json", 1)
        assert not folder.exists()
    assert artifacts.load_json(folder / "a.json") == 1
    artifacts.remove(folder)
    artifacts.remove(folder)
    assert os.listdir(folder.parent) == []


def test_folder_vanishes_with_the_failure_of_its_block(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), artifacts.building(tmp_path / "one") as aside:
        artifacts.save_json(aside / "a.json", 1)
        raise ConnectionError("not the disk's fault")
    assert os.listdir(tmp_path) == []


def test_folder_is_never_overwritten(tmp_path: Path) -> None:
    for value in (1, 2):
        attempt = artifacts.building(tmp_path / "one")
        if value == 1:
            with attempt as aside:
                artifacts.save_json(aside / "a.json", value)
        else:
            with pytest.raises(WorkspaceError, match="Cannot write"), attempt as aside:
                artifacts.save_json(aside / "a.json", value)
    assert artifacts.load_json(tmp_path / "one" / "a.json") == 1
    assert os.listdir(tmp_path) == ["one"]


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("a.safetensors", artifacts.load_arrays),
        ("a.safetensors", artifacts.load_metadata),
        ("a.json", artifacts.load_json),
        ("a.parquet", artifacts.load_table),
    ],
)
@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PAR1" + bytes(20)])
def test_corrupt_and_missing_artifacts_are_named(
    tmp_path: Path, name: str, load: Callable[[Path], object], content: bytes
) -> None:
    with pytest.raises(WorkspaceError, match=f"{name} is missing"):
        load(tmp_path / name)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WorkspaceError, match=f"{name} cannot be read"):
        load(tmp_path / name)
