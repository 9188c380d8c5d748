"""Bad input: a file that cannot be used is an InputError that says what to do; a bad record is rejected, by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from catalog_samples import lists_of, write_lines

from genair_engine.catalog.readers import Rejection, read_dataset
from genair_engine.errors import InputError

INTER = "user_id:token\titem_id:token\ttimestamp:float"
RATED = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def reasons(rejected: list[Rejection]) -> list[tuple[str, int | None, str]]:
    return [(rejection.file, rejection.line, rejection.reason) for rejection in rejected]


def write_pair(folder: Path, inter: str, item: str = '{"b1": {"title": "Beaker"}, "b2": {}}') -> None:
    (folder / "x.inter.json").write_text(inter)
    (folder / "x.item.json").write_text(item)


# Single records


def test_recbole_records(tmp_path: Path) -> None:
    lines = [
        "ann\tb1\t3\t10",
        "ann\tb2\t3",
        "ann\tb2\tgood\t11",
        "ann\tb2\t\t11",
        "ann\tb2\t3\tnoon",
        " \tb2\t3\t12",
        "ann\t\t3\t12",
        "",
        "ann\tb9\t3\t13",
        "ann\tb1\t5\t10.0",
    ]
    write_lines(tmp_path / "x.inter", [RATED, *lines])
    items = ["b1\tBeaker", "b2\tCaliper", "b1\tBeaker again", "\tnameless", "b3"]
    write_lines(tmp_path / "x.item", ["item_id:token\ttitle:token_seq", *items])
    write_lines(tmp_path / "x.user", ["user_id:token\tage:float", "ann\t30", "ann\t31"])
    triples = ["a\tr\tb", "a\t\tb", "a\tr\tb"]
    write_lines(tmp_path / "x.kg", ["head_id:token\trelation_id:token\ttail_id:token", *triples])
    write_lines(tmp_path / "x.link", ["item_id:token\tentity_id:token", "b1\ta", "b9\tb"])
    result = read_dataset(tmp_path, "x")
    assert reasons(result.rejected) == [
        ("x.inter", 3, "malformed line: expected 4 fields, found 3"),
        ("x.inter", 4, "rating 'good' is not a number"),
        ("x.inter", 6, "timestamp 'noon' is not a number or an ISO 8601 date"),
        ("x.inter", 7, "empty user id (column 'user_id')"),
        ("x.inter", 8, "empty item id (column 'item_id')"),
        ("x.inter", 10, "unknown item 'b9': it is not in x.item"),
        ("x.inter", 11, "duplicate interaction; the first one is kept"),
        ("x.item", 4, "duplicate item_id 'b1'; the first one is kept"),
        ("x.item", 5, "empty item_id"),
        ("x.item", 6, "malformed line: expected 2 fields, found 1"),
        ("x.kg", 3, "an empty field"),
        ("x.kg", 4, "duplicate line"),
        ("x.link", 3, "unknown item 'b9': it is not in the catalogue"),
        ("x.user", 3, "duplicate user_id 'ann'; the first one is kept"),
    ]
    data = result.dataset
    assert lists_of(data) == {"ann": ["b1", "b2"]}
    assert data.items["title"].tolist() == ["Beaker", "Caliper"]
    assert data.users is not None and data.users["age"].tolist() == ["30"]
    assert data.provenance["counts"] == {"users": 1, "items": 2, "interactions": 2, "rejected": 14}


def test_lcrec_records(tmp_path: Path) -> None:
    inter = """{
      "ann": ["b1", "b9", null, "", true, 1.5, ["b1"], "b2"],
      "bob": "b1",
      "ann": ["b2"],
      "": ["b1"],
      "cem": {"b1": 1}, "dia": ["b2"]
    }"""
    item = '{"b1": {"title": "Beaker"},\n"b2": {},\n"b1": {"title": "again"},\n"b9": ["no fields"]}'
    write_pair(tmp_path, inter, item)
    result = read_dataset(tmp_path, "x")
    no_id = "an item id must be text or a whole number"
    assert sorted(reasons(result.rejected)) == sorted(
        [
            ("x.inter.json", 2, "unknown item 'b9': it is not in x.item.json"),
            *[("x.inter.json", 2, f"user 'ann', position {place}: {no_id}") for place in (3, 4, 5, 6, 7)],
            ("x.inter.json", 3, "user 'bob': expected a list of item ids, found text"),
            ("x.inter.json", 4, "duplicate user 'ann'; the first one is kept"),
            ("x.inter.json", 5, "empty user id"),
            ("x.inter.json", 6, "user 'cem': expected a list of item ids, found an object"),
            ("x.item.json", 3, "duplicate item_id 'b1'; the first one is kept"),
            ("x.item.json", 4, "item 'b9': expected an object of text fields, found a list"),
        ]
    )
    assert lists_of(result.dataset) == {"ann": ["b1", "b2"], "dia": ["b2"]}
    assert result.dataset.items["title"].tolist() == ["Beaker", ""]


def test_table_records(tmp_path: Path) -> None:
    lines = ["ann,b1,1,4", "ann,b2,2,high", '"ann,b2,3,4', 'ann,"b2",4,4', "ann,b9,5,4", "ann,b1,1,5"]
    write_lines(tmp_path / "ratings.csv", ["user_id,item_id,timestamp,rating", *lines])
    write_lines(tmp_path / "items.csv", ["item_id,title", "b1,Beaker", "b2,Caliper", "b2,Twice"])
    result = read_dataset(tmp_path, "x")
    assert [(r.file, r.line) for r in result.rejected] == [
        ("items.csv", 4),
        ("ratings.csv", 3),
        ("ratings.csv", 4),
        ("ratings.csv", 6),
        ("ratings.csv", 7),
    ]
    assert "broken quoting" in result.rejected[2].reason
    assert result.rejected[2].record == '"ann,b2,3,4'
    assert lists_of(result.dataset) == {"ann": ["b1", "b2"]}


def test_rejected_records_are_cut(tmp_path: Path) -> None:
    write_lines(tmp_path / "x.inter", [INTER, "ann\tb1\t1", "x" * 5000])
    assert [len(rejection.record) for rejection in read_dataset(tmp_path, "x").rejected] == [200]


# Whole files


def recbole(*lines: str, header: str = INTER) -> Callable[[Path], None]:
    return lambda folder: write_lines(folder / "x.inter", [header, *lines])


def table(*lines: str) -> Callable[[Path], None]:
    return lambda folder: write_lines(folder / "ratings.csv", list(lines))


def pair(inter: str, item: str = '{"b1": {}}') -> Callable[[Path], None]:
    return lambda folder: write_pair(folder, inter, item)


def file(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (file("x.inter", b""), r"x\.inter: the file is empty"),
        (file("ratings.csv", b"\xef\xbb\xbf \n"), r"ratings\.csv: the file is empty"),
        (file("ratings.parquet", b""), r"ratings\.parquet: the file is empty"),
        (file("ratings.parquet", b"PAR1 no"), r"ratings\.parquet: not a readable Parquet file"),
        (recbole(), r"x\.inter: no valid interaction is left: there is none below the header"),
        (recbole("ann\tb1"), r"x\.inter: no valid interaction.*1 records.*line 2: malformed line: expected 3 fields"),
        (table("user,item"), r"ratings\.csv: no valid interaction is left"),
        (pair('{"ann": []}'), r"x\.inter\.json: no valid interaction is left"),
        (pair('{"ann": ["b9"]}'), r"x\.inter\.json: no valid interaction.*unknown item 'b9'"),
        (pair("{}"), r"x\.inter\.json: no valid interaction is left"),
        (pair('{"ann": ["b1"]}', "{}"), r"x\.item\.json: it holds no item"),
        (recbole(header="user_id:token\tthing:token"), r"x\.inter: column 'item_id' is missing.*user_id, thing"),
        (recbole(header="user_id:token\titem_id"), r"x\.inter, line 1: column 'item_id' must be written field:type"),
        (recbole(header="user_id:token\titem_id:text"), r"line 1: column 'item_id:text' must be.*token_seq"),
        (recbole(header="user_id:token\tuser_id:float"), r"line 1: column 'user_id' is there twice"),
        (table("user,thing", "ann,b1"), r"ratings\.csv: no column for 'item'; its columns are user, thing\. Map one"),
        (table("user,item,user", "ann,b1,x"), r"ratings\.csv, line 1: column 'user' is there twice"),
        (table("", "user,item"), r"ratings\.csv, line 1: a column has no name"),
        (pair('{"ann": ["b1"],\n "bob" ["b1"]}'), r"x\.inter\.json, line 2: not valid JSON at column 8"),
        (pair('{"ann": ["b1"],}'), r"x\.inter\.json, line 1: not valid JSON at column 16"),
        (pair('{"ann": ["b1"]'), r"x\.inter\.json, line 1: not valid JSON"),
        (pair('{"ann": ["b1"]} {}'), r"x\.inter\.json, line 1: not valid JSON at column 17"),
        (pair('["b1"]'), r"x\.inter\.json, line 1: not valid JSON at column 1 .*one object"),
        (pair('{"ann": ' + "[" * 100_000), r"x\.inter\.json, line 1: cannot be read as JSON"),
        (file("x.inter", f"{INTER}\nann\tb\t1\n".encode() + b"b\xfcb\tb\t2"), r"x\.inter, line 3: byte 0xfc is not UTF-8"),
        (file("ratings.csv", "user,item\nann,b1".encode("utf-16")), r"ratings\.csv, line 1: byte 0xff is not UTF-8"),
        (file("ratings.csv", b"user,item\nann,b\x001\n"), r"ratings\.csv, line 2: it holds a NUL byte"),
        (file("x.item", b"item_id:token\nb1\n"), r"x\.inter is missing"),
        (file("x.inter.json", b"{}"), r"x\.item\.json is missing"),
        (file("x.item.json", b"{}"), r"x\.inter\.json is missing"),
        (file("items.csv", b"item_id\nb1\n"), r"expected one table of interactions, found items\.csv"),
        (file("notes.txt", b"hello"), r"no known format; found notes\.txt\. Expected lcrec: .*recbole: .*tables: "),
        (lambda _: None, r"no known format; found nothing"),
    ],
)
def test_unusable_files(tmp_path: Path, write: Callable[[Path], None], message: str) -> None:
    write(tmp_path)
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path, "x")


def test_items_table_without_rows(tmp_path: Path) -> None:
    write_lines(tmp_path / "ratings.csv", ["user,item", "ann,b1"])
    write_lines(tmp_path / "items.csv", ["item,title"])
    with pytest.raises(InputError, match=r"ratings\.csv: no valid interaction.*'b1': it is not in items\.csv"):
        read_dataset(tmp_path, "x")


def test_items_table_without_id(tmp_path: Path) -> None:
    pd.DataFrame({"user": ["ann"], "item": ["b1"]}).to_parquet(tmp_path / "ratings.parquet")
    pd.DataFrame({"sku": ["b1"], "name": ["Beaker"]}).to_parquet(tmp_path / "items.parquet")
    with pytest.raises(InputError, match=r"items\.parquet: no column for 'item_key'; its columns are sku, name"):
        read_dataset(tmp_path, "x")


def test_no_such_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_dataset(tmp_path / "nowhere", "x")


def test_several_formats_in_one_folder(tmp_path: Path) -> None:
    write_lines(tmp_path / "x.inter", [INTER, "ann\tb1\t1"])
    write_lines(tmp_path / "ratings.csv", ["user,item", "bob,b1"])
    with pytest.raises(InputError, match=r"several formats \(recbole, tables\); found ratings\.csv, x\.inter"):
        read_dataset(tmp_path, "x")
    assert read_dataset(tmp_path, "x", format="recbole").dataset.user_ids == ["ann"]
    assert read_dataset(tmp_path / "ratings.csv", "x").dataset.user_ids == ["bob"]


def test_several_datasets_in_one_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_lines(tmp_path / f"{name}.inter", [INTER, f"{name}\tb1\t1"])
    with pytest.raises(InputError, match=r"several datasets \(a, b\)"):
        read_dataset(tmp_path, "x")
    assert read_dataset(tmp_path / "b.inter", "x").dataset.user_ids == ["b"]


def test_format_and_options_must_fit(tmp_path: Path) -> None:
    write_pair(tmp_path, json.dumps({"ann": ["b1"]}))
    with pytest.raises(InputError, match=r"no format 'csv'; known: auto, lcrec, recbole, tables"):
        read_dataset(tmp_path, "x", format="csv")
    with pytest.raises(InputError, match=r"reader 'lcrec' .* has no option 'columns': it has no options"):
        read_dataset(tmp_path, "x", options={"columns": {"user": "user"}})
    with pytest.raises(InputError, match="no RecBole atomic files here"):
        read_dataset(tmp_path, "x", format="recbole")
    with pytest.raises(InputError, match="expected one table of interactions, found none"):
        read_dataset(tmp_path, "x", format="tables")
