"""Whatever is written in a format is read back equal, and bad lines cost nothing but themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from catalog_samples import (
    Log,
    csv_lines,
    lists_of,
    logs,
    prose,
    titles_of,
    write_csv_log,
    write_lcrec_log,
    write_lines,
    write_parquet_log,
    write_recbole_log,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.readers import read_dataset


def check_roundtrip(log: Log, write: Callable[[Log, Path], None], format: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(log, Path(folder))
        result = read_dataset(Path(folder), "log")
    assert result.rejected == []
    assert result.dataset.provenance["format"] == format
    assert lists_of(result.dataset) == log.expected()
    assert list(lists_of(result.dataset)) == list(log.expected())
    assert titles_of(result.dataset) == log.titles
    assert list(titles_of(result.dataset)) == list(log.titles)


@settings(max_examples=40)
@given(log=logs(titles=prose))
def test_csv(log: Log) -> None:
    check_roundtrip(log, write_csv_log, "tables")


@settings(max_examples=40)
@given(log=logs())
def test_recbole(log: Log) -> None:
    check_roundtrip(log, write_recbole_log, "recbole")


@settings(max_examples=40)
@given(log=logs(titles=prose))
def test_lcrec(log: Log) -> None:
    check_roundtrip(log, write_lcrec_log, "lcrec")


@settings(max_examples=20)
@given(log=logs(titles=prose))
def test_parquet(log: Log) -> None:
    check_roundtrip(log, write_parquet_log, "tables")


def damage(data: st.DataObject, good: list[str], bad: list[str]) -> tuple[list[str], list[int]]:
    """The good lines with bad ones among them, and the line numbers of the bad ones (the header is line 1)."""
    lines = [(line, False) for line in good]
    for text in data.draw(st.lists(st.sampled_from(bad), max_size=6)):
        lines.insert(data.draw(st.integers(0, len(lines))), (text, True))
    for _ in range(data.draw(st.integers(0, 2))):
        lines.append((data.draw(st.sampled_from(good)), True))  # a duplicate, behind its first occurrence
    return [text for text, _ in lines], [number for number, (_, is_bad) in enumerate(lines, start=2) if is_bad]


@settings(max_examples=60)
@given(log=logs(), data=st.data())
def test_recbole_bad_lines_are_rejected_and_nothing_else(log: Log, data: st.DataObject) -> None:
    item = next(iter(log.titles))
    bad = ["x", f"x\t{item}", f"x\t{item}\t1\t2", f"\t{item}\t1", "x\t\t1", f"x\t{item}\tlate", f"x\t{item}\t"]
    bad += [f"x\t{item}\tnan", f"x\t{item}\tinf", "x\tno such item\t1", "\t\t", '"']
    lines, expected = damage(data, [f"{u}\t{i}\t{t}" for u, i, t in log.events], bad)
    with tempfile.TemporaryDirectory() as folder:
        write_recbole_log(log, Path(folder))
        header = "user_id:token\titem_id:token\ttimestamp:float"
        write_lines(Path(folder) / "log.inter", [header, *lines], data.draw(st.sampled_from(["\n", "\r\n"])))
        result = read_dataset(Path(folder), "log")
    assert [rejection.line for rejection in result.rejected] == expected
    assert {rejection.file for rejection in result.rejected} <= {"log.inter"}
    assert lists_of(result.dataset) == log.expected()


@settings(max_examples=60)
@given(log=logs(), data=st.data())
def test_csv_bad_lines_are_rejected_and_nothing_else(log: Log, data: st.DataObject) -> None:
    item = csv_lines([(next(iter(log.titles)), "")])[0].removesuffix(",")
    bad = ["x", f"x,{item}", f"x,{item},1,2", f",{item},1", "x,,1", f"x,{item},late", "x,no such item,1", ",,"]
    bad += [f'"x,{item},1', f'"x"y,{item},1', f'"x",{item},"late"', '"x"']
    good = csv_lines(list(log.events))
    if data.draw(st.booleans()):
        good = [",".join(f'"{part}"' for part in map(str, event)) for event in log.events]
    lines, expected = damage(data, good, bad)
    with tempfile.TemporaryDirectory() as folder:
        write_csv_log(log, Path(folder))
        write_lines(Path(folder) / "ratings.csv", ["userId,movieId,timestamp", *lines])
        result = read_dataset(Path(folder), "log")
    assert [rejection.line for rejection in result.rejected] == expected
    assert lists_of(result.dataset) == log.expected()


def test_line_numbers_behind_a_field_of_several_lines(tmp_path: Path) -> None:
    text = 'user_id,note,item_id\nann,"two\nlines, and a ""quote""",b1\n\nann,plain\nbob,"x",b2\n'
    (tmp_path / "events.csv").write_text(text)
    result = read_dataset(tmp_path, "log")
    assert lists_of(result.dataset) == {"ann": ["b1"], "bob": ["b2"]}
    assert [(r.file, r.line, r.record) for r in result.rejected] == [("events.csv", 5, "ann,plain")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_is_that_of_the_header(tmp_path: Path, delimiter: str) -> None:
    lines = [("user", "item", "time"), ("ann", "b1", "2"), ("ann", "b2", "1")]
    write_lines(tmp_path / "events.csv", [delimiter.join(line) for line in lines])
    assert lists_of(read_dataset(tmp_path, "log").dataset) == {"ann": ["b2", "b1"]}
