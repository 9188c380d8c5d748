"""Files are read a block at a time: where blocks end changes nothing, and a log's text is never in memory as a whole."""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from catalog_samples import (
    Log,
    csv_lines,
    lists_of,
    logs,
    prose,
    write_csv_log,
    write_lcrec_log,
    write_lines,
    write_parquet_log,
    write_recbole_log,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.readers import files, lcrec, parquet, preview_dataset, read_dataset
from genair_engine.catalog.readers.events import EventLog
from genair_engine.catalog.readers.files import SourceFile
from genair_engine.catalog.readers.json_object import entries
from genair_engine.catalog.readers.text_table import TextTable
from genair_engine.catalog.synthetic import synthetic_dataset, write_csv, write_lcrec, write_recbole
from genair_engine.errors import InputError
from genair_engine.workspace import content_hash

WRITERS = {"csv": write_csv_log, "recbole": write_recbole_log, "lcrec": write_lcrec_log, "parquet": write_parquet_log}
LARGE = {"csv": write_csv, "recbole": write_recbole, "lcrec": write_lcrec}


@contextmanager
def small_blocks(n_bytes: int, n_rows: int) -> Iterator[None]:
    """Blocks of so many bytes, and so many events, items or rows in a piece."""
    with (
        patch.object(files, "BLOCK", n_bytes),
        patch.object(lcrec, "PIECE", n_rows),
        patch.object(parquet, "BATCH", n_rows),
    ):
        yield


def read_in_blocks(path: Path, n_bytes: int) -> tuple[object, ...]:
    """Everything that is read of the path: lists, items, rejections and provenance."""
    with small_blocks(n_bytes, n_bytes):
        result = read_dataset(path, "log")
    items = result.dataset.items.to_dict("records")
    return lists_of(result.dataset), items, result.rejected, result.dataset.provenance


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@settings(max_examples=10, deadline=None)
@given(log=logs(), n_bytes=st.integers(1, 40))
def test_where_blocks_end_changes_nothing(write: Callable[[Log, Path], None], log: Log, n_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(log, Path(folder))
        assert read_in_blocks(Path(folder), n_bytes) == read_in_blocks(Path(folder), 1 << 20)


@settings(max_examples=30, deadline=None)
@given(log=logs(titles=prose), n_bytes=st.integers(1, 60), data=st.data())
def test_quotes_and_bad_lines_across_blocks(log: Log, n_bytes: int, data: st.DataObject) -> None:
    bad = ["x", ",,", '"', '"x,y', 'a,"b', "x,y,z,1", '"a""b",c,1', "ä,ö,ü"]
    events = [*csv_lines(list(log.events)), *data.draw(st.lists(st.sampled_from(bad), max_size=8))]
    items = [*csv_lines(list(log.titles.items())), *data.draw(st.lists(st.sampled_from(bad), max_size=8))]
    with tempfile.TemporaryDirectory() as folder:
        write_lines(Path(folder) / "ratings.csv", ["userId,movieId,timestamp", *events])
        write_lines(Path(folder) / "movies.csv", ["movieId,title", *items])
        assert read_in_blocks(Path(folder), n_bytes) == read_in_blocks(Path(folder), 1 << 20)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    values=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), json_values, max_size=6),
    n_bytes=st.integers(1, 30),
    indent=st.sampled_from([None, 1]),
    cut=st.integers(0, 400),
    ascii_only=st.booleans(),
)
def test_json_is_walked_as_it_is_parsed(
    values: dict[str, object], n_bytes: int, indent: int | None, cut: int, ascii_only: bool
) -> None:
    """Whole files give what json.loads gives; damaged ones the same error wherever blocks end."""
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_bytes(text.encode("utf-8", "surrogatepass").replace(b"\0", b""))

        def walked(block: int) -> object:
            with patch.object(files, "BLOCK", block):
                try:
                    return list(entries(SourceFile(path)))
                except InputError as error:
                    return str(error)

        if "\ud800" not in text:
            assert walked(n_bytes) == walked(1 << 20)
        try:
            expected = json.loads(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            return
        entries_read = walked(n_bytes)
        assert isinstance(entries_read, list)
        assert {key: value for _, key, value in entries_read} == expected
        lines = path.read_text(encoding="utf-8").split("\n")
        assert all(json.dumps(key, ensure_ascii=ascii_only) in lines[line - 1] for line, key, _ in entries_read)
        if 0 < cut < len(text):
            path.write_bytes(text[:cut].encode("utf-8", "surrogatepass"))
            assert walked(n_bytes) == walked(1 << 20)
            assert isinstance(walked(n_bytes), str)


@settings(max_examples=30, deadline=None)
@given(log=logs())
def test_one_log_has_one_content_hash(log: Log) -> None:
    """Whatever format it comes in: archetypes and runs of one file's import fit another's."""
    hashes = set()
    for write in WRITERS.values():
        with tempfile.TemporaryDirectory() as folder:
            write(log, Path(folder))
            hashes.add(content_hash(read_dataset(Path(folder), "log").dataset))
    assert len(hashes) == 1


@pytest.mark.parametrize("write", LARGE.values(), ids=LARGE)
def test_text_of_a_log_is_let_go(write: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a log's many pieces no more than a few are alive at any time."""
    write(synthetic_dataset(users=300, items=40, interactions=6000), tmp_path)
    pieces: list[weakref.ref[TextTable]] = []
    n_alive: list[int] = []
    keep = EventLog.add

    def watched(log: EventLog, piece: TextTable, rejected: list[object]) -> None:
        pieces.append(weakref.ref(piece))
        keep(log, piece, rejected)
        n_alive.append(sum(reference() is not None for reference in pieces))

    monkeypatch.setattr(EventLog, "add", watched)
    with small_blocks(2000, 200):
        read_dataset(tmp_path, "log")
    assert len(n_alive) >= 20
    assert max(n_alive) <= 3


@pytest.mark.parametrize("write", LARGE.values(), ids=LARGE)
def test_a_preview_reads_the_beginning_only(write: Callable[..., None], tmp_path: Path) -> None:
    write(synthetic_dataset(users=300, items=40, interactions=6000), tmp_path)
    largest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    n_read: list[int] = []
    blocks = SourceFile.blocks

    def counted(file: SourceFile) -> object:
        for block in blocks(file):
            if file.name == largest.name:
                n_read.append(len(block))
            yield block

    with small_blocks(2000, 100), patch.object(SourceFile, "blocks", counted):
        tables = preview_dataset(tmp_path)[2]
    assert [len(table.rows) for table in tables] == [5, 5]
    assert sum(n_read) < largest.stat().st_size / 3


def test_a_repeated_interaction_is_told_by_the_text_of_its_line(tmp_path: Path) -> None:
    """It is known only at the end, when the text is gone: the file is read once more."""
    events = [f"u{number},i{number % 5},{number}" for number in range(200)]
    write_lines(tmp_path / "events.csv", ["user,item,time", *events, "u7,i2,7", "u199,i4,199"])
    *_, rejected, _ = read_in_blocks(tmp_path, 100)
    reason = "duplicate interaction; the first one is kept"
    assert [(r.line, r.reason, r.record) for r in rejected] == [
        (202, reason, "u7 | i2 | 7"),
        (203, reason, "u199 | i4 | 199"),
    ]


def test_whole_floats_are_told_from_the_whole_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [1e10, 2e10, 3e10, 4.5], "item": [1e10, 2.0, None, 1e10]})
    frame.to_parquet(tmp_path / "events.parquet")
    with patch.object(parquet, "BATCH", 2):
        dataset = read_dataset(tmp_path, "log").dataset
    assert lists_of(dataset) == {"1e+10": ["10000000000"], "2e+10": ["2"], "4.5": ["10000000000"]}


@pytest.mark.parametrize("separator", ["|", "tab", ";"])
def test_a_separator_that_is_named(tmp_path: Path, separator: str) -> None:
    character = "\t" if separator == "tab" else separator
    write_lines(tmp_path / "events.csv", [character.join(line) for line in (("user", "item,x,y,z"), ("ann", "b1,2"))])
    options = {"separator": separator, "columns": {"item": "item,x,y,z"}}
    assert lists_of(read_dataset(tmp_path, "log", options=options).dataset) == {"ann": ["b1,2"]}


@pytest.mark.parametrize("separator", ["", "||", '"', "é"])
def test_what_cannot_separate_is_refused(tmp_path: Path, separator: str) -> None:
    write_lines(tmp_path / "events.csv", ["user,item", "ann,b1"])
    with pytest.raises(InputError, match=r"separator \(option of the reader 'tables'\): .* give one ASCII character, or tab"):
        read_dataset(tmp_path, "log", options={"separator": separator})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"title": "name", "brand": "name"}, "items.csv: column 'name' is mapped to two fields"),
        ({"title": "item"}, "items.csv: column 'item' is mapped to two fields"),
        ({"title": "label"}, "items.csv: column 'label' is missing; its columns are item, name"),
        ({"user": "item"}, "ratings.csv: column 'item' cannot be both the user's and the item's id"),
    ],
)
def test_mappings_that_cannot_be(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    write_lines(tmp_path / "ratings.csv", ["user,item", "ann,b1"])
    write_lines(tmp_path / "items.csv", ["item,name", "b1,Beaker"])
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path, "log", options={"columns": columns})
