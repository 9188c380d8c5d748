"""What every reader must keep to, told from its own example: a new reader is asked all of it without a further line here."""

from __future__ import annotations

import builtins
import io
import re
from pathlib import Path
from typing import Any

import pytest
from catalog_samples import lists_of

from genair_engine.catalog.readers import READERS, Reader, choose_reader, preview_dataset, read_dataset, reader_options
from genair_engine.catalog.readers.base import detect_by_suffix
from genair_engine.errors import InputError

FIRST_BYTES = 1 << 16
EACH_READER = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


def write_example(reader: Reader[Any], folder: Path, padding: int = 0) -> list[Path]:
    """The files of the reader's example. padding: bytes of blank lines behind each."""
    paths = [folder / name for name in reader.example]
    for path, text in zip(paths, reader.example.values(), strict=True):
        path.write_text(text + "\n" * padding, encoding="utf-8")
    return paths


class CountedReading:
    """Bytes that Python code reads from files while it is in use."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_bytes = 0
        original = io.open

        def counting(*arguments: Any, **named: Any) -> Any:
            stream = original(*arguments, **named)
            read = stream.read

            def counted(*size: int) -> Any:
                part = read(*size)
                self.n_bytes += len(part)
                return part

            try:
                stream.read = counted
            except AttributeError:  # a stream in C: its wrapper counts all of it as read
                self.n_bytes += Path(arguments[0]).stat().st_size
            return stream

        monkeypatch.setattr(io, "open", counting)
        monkeypatch.setattr(builtins, "open", counting)


@EACH_READER
def test_it_says_what_it_is(reader: Reader[Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", reader.name) and reader.name != "auto"
    assert reader.reads and reader.__doc__ and reader.example


@EACH_READER
def test_every_option_is_described_and_may_be_left_out(reader: Reader[Any]) -> None:
    for name, field in reader.Options.model_fields.items():
        assert field.description and not field.description.endswith("."), name
        assert not field.is_required(), name
    reader.Options()
    assert reader.Options.model_config["extra"] == "forbid"


@EACH_READER
def test_an_option_that_it_does_not_have_is_refused_by_name(reader: Reader[Any]) -> None:
    with pytest.raises(InputError, match=rf"reader '{reader.name}' .* has no option 'colour': ") as refused:
        reader_options(reader, {"colour": "red"})
    assert all(option in str(refused.value) for option in reader.Options.model_fields)


@EACH_READER
def test_it_alone_detects_its_example(reader: Reader[Any], tmp_path: Path) -> None:
    paths = write_example(reader, tmp_path)
    for path in [tmp_path, *paths]:
        chosen, reason = choose_reader(path)
        assert chosen is reader and reason
    for other in READERS.values():
        detection = other.detect(tmp_path)
        assert 0 <= detection.confidence <= 1 and detection.reason
        assert (detection.confidence > 0) == (other is reader)


@EACH_READER
def test_nothing_is_detected_in_an_empty_folder(reader: Reader[Any], tmp_path: Path) -> None:
    assert reader.detect(tmp_path).confidence == 0


@EACH_READER
def test_detection_does_not_read_files(reader: Reader[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_example(reader, tmp_path, padding=4 * FIRST_BYTES)
    reading = CountedReading(monkeypatch)
    assert reader.detect(tmp_path).confidence > 0
    assert reading.n_bytes <= FIRST_BYTES * len(paths)


@EACH_READER
def test_a_preview_is_what_is_then_read(reader: Reader[Any], tmp_path: Path) -> None:
    paths = write_example(reader, tmp_path)
    format, reason, tables = preview_dataset(tmp_path)
    dataset = read_dataset(tmp_path, "shop").dataset
    assert (format, bool(reason)) == (reader.name, True)
    assert {table.file for table in tables} <= {path.name for path in paths}
    by_holds = {table.holds: table for table in tables}

    events = by_holds["interactions"]
    user, item = (next(name for name, of in events.columns.items() if of == meaning) for meaning in ("user", "item"))
    read = {(owner, met) for owner, items in lists_of(dataset).items() for met in items}
    assert {(row[user], row[item]) for row in events.rows} == read
    assert all(row.keys() == events.columns.keys() for row in events.rows)

    if "items" in by_holds:
        columns = by_holds["items"].columns
        key = next(name for name, meaning in columns.items() if meaning == "item")
        rows = {row[key]: row for row in by_holds["items"].rows}
        assert list(rows) == dataset.items["item_id"].tolist()
        for name, meaning in columns.items():
            if meaning in dataset.items.columns:
                assert [row[name] for row in rows.values()] == dataset.items[meaning].tolist()


@EACH_READER
def test_a_file_that_cannot_be_read_is_named(reader: Reader[Any], tmp_path: Path) -> None:
    for path in write_example(reader, tmp_path):
        text = path.read_bytes()
        for damaged, message in (
            (b"", "the file is empty"),
            (text + b"\n\n\xff", rf", line {text.count(10) + 3}: byte 0xff is not UTF-8"),
            (text + b"\n\0", rf", line {text.count(10) + 2}: it holds a NUL byte"),
        ):
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=rf"^{re.escape(path.name)}(: |){message}"):
                read_dataset(tmp_path, "shop", reader.name)
        path.write_bytes(text)
    assert read_dataset(tmp_path, "shop", reader.name).rejected == []


@EACH_READER
def test_the_provenance_names_its_files(reader: Reader[Any], tmp_path: Path) -> None:
    write_example(reader, tmp_path)
    provenance = read_dataset(tmp_path, "shop").dataset.provenance
    assert provenance["format"] == reader.name
    files: Any = provenance["files"]
    assert files.keys() == reader.example.keys()
    assert all(len(file["sha256"]) == 64 and file["bytes"] for file in files.values())


class Broken(Reader[Any]):
    """Cannot tell anything."""

    name = "broken"
    reads = "NAME.broken"

    def detect(self, path: Path) -> Any:
        raise KeyError("no such key")

    def open(self, path: Path, options: Any) -> Any:
        raise NotImplementedError


def test_one_readers_error_does_not_end_detection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "broken", Broken())
    write_example(READERS["lcrec"], tmp_path)
    assert choose_reader(tmp_path)[0].name == "lcrec"


def test_errors_of_detection_are_told_where_nothing_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "broken", Broken())
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"no known format; found notes\.txt\..* broken could not tell: 'no such key'"):
        choose_reader(tmp_path)


def test_the_surest_reader_is_taken(tmp_path: Path) -> None:
    write_example(READERS["recbole"], tmp_path)
    (tmp_path / "notes.csv").write_text("word\nhello\n")
    chosen, reason = choose_reader(tmp_path)
    assert chosen.name == "recbole" and "shop.inter" in reason


def test_files_with_a_suffix_are_detected_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.baskets").write_text("")
    assert detect_by_suffix(tmp_path, [".baskets"]).confidence == 1
    assert detect_by_suffix(tmp_path / "a.baskets", [".baskets"]).reason == "a.baskets is there"
