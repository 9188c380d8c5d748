"""The formats on real data, and how each maps its fields to a Dataset."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catalog_samples import lists_of, write_lines

from genair_engine.catalog.readers import read_dataset
from genair_engine.catalog.synthetic import synthetic_dataset, write_csv, write_lcrec, write_recbole
from genair_engine.errors import InputError


def test_amazon_scientific(shared_data: Path) -> None:
    folder = shared_data / "amazon-scientific"
    result = read_dataset(folder, "scientific")
    data = result.dataset
    assert (data.n_users, data.n_items, data.n_interactions, result.rejected) == (8317, 4344, 58492, [])
    train = np.unique(data.split.train.items)
    assert int((~np.isin(data.split.test, train)).sum()) == 73
    source = json.loads((folder / "Scientific.inter.json").read_text())
    assert lists_of(data) == {user: list(map(str, items)) for user, items in source.items()}
    assert data.items["title"][0].startswith("SUPCO SPP6 Relay/Capacitor")
    assert list(data.items["attributes"][0]) == ["title", "description", "brand", "categories"]
    assert "categories" not in data.items["attributes"][25]
    digest = hashlib.sha256((folder / "Scientific.inter.json").read_bytes()).hexdigest()
    assert data.provenance["files"]["Scientific.inter.json"]["sha256"] == digest  # type: ignore[index]


def test_movielens(shared_data: Path) -> None:
    folder = shared_data / "ml-100k"
    result = read_dataset(folder, "ml-100k")
    data = result.dataset
    assert (data.n_users, data.n_items, data.n_interactions, result.rejected) == (943, 1682, 100_000, [])
    assert data.triples is not None and data.links is not None and data.users is not None
    assert (len(data.triples), len(data.links), len(data.users)) == (91_631, 1_598, 943)
    assert list(data.triples.columns) == ["head", "relation", "tail"]
    assert list(data.links.columns) == ["item_id", "entity"]
    assert data.items.loc[0, "title"] == "Toy Story"
    assert data.items.loc[0, "categories"] == "Animation, Children's, Comedy"
    assert data.items.loc[0, "attributes"] == {
        "movie_title": "Toy Story",
        "release_year": "1995",
        "class": "Animation, Children's, Comedy",
    }
    raw = pd.read_csv(folder / "ml-100k.inter", sep="\t", dtype=str)
    raw = raw[raw["user_id:token"] == "196"]
    times = raw["timestamp:float"].astype(float)
    assert lists_of(data)["196"] == raw.loc[times.sort_values(kind="stable").index, "item_id:token"].tolist()
    assert data.user_ids[0] == "196"


@pytest.mark.parametrize("write", [write_csv, write_recbole, write_lcrec])
@pytest.mark.parametrize("one_file", [False, True])
def test_all_formats_give_the_same_dataset(tmp_path: Path, write: object, one_file: bool) -> None:
    data = synthetic_dataset(users=60, items=40, interactions=500, seed=3)
    write(data, tmp_path)  # type: ignore[operator]
    path = next(file for file in tmp_path.iterdir() if "inter" in file.name) if one_file else tmp_path
    read = read_dataset(path, "again").dataset
    assert read.user_ids == data.user_ids
    np.testing.assert_array_equal(read.sequences.items, data.sequences.items)
    np.testing.assert_array_equal(read.sequences.offsets, data.sequences.offsets)
    for column in ("item_id", "title", "brand", "categories"):
        assert read.items[column].tolist() == data.items[column].tolist()


def test_metadata_lists_and_missing_values(tmp_path: Path) -> None:
    fields = {
        "name": " Beaker ",
        "store": "none",
        "categories": [["Lab", "Glass"], [None]],
        "price": 3.5,
        "details": {"Weight": "2 g", "Tags": ["a", "b"]},
        "description": None,
        "damaged": "a\ud800\u0000b",
        "\udc00": "",
    }
    (tmp_path / "x.item.json").write_text(json.dumps({"7": fields, "8": {}}))
    (tmp_path / "x.inter.json").write_text(json.dumps({"ann": [7, "7"], "bob": []}))
    result = read_dataset(tmp_path, "x")
    first, second = result.dataset.items.to_dict("records")
    assert (first["title"], first["brand"], first["categories"]) == ("Beaker", "", "Lab, Glass")
    assert first["attributes"] == {
        "name": "Beaker",
        "categories": "Lab, Glass",
        "price": "3.5",
        "details": "Weight: 2 g, Tags: a, b",
        "damaged": "a?b",
    }
    assert second == {"item_id": "8", "title": "", "brand": "", "categories": "", "description": "", "attributes": {}}
    assert lists_of(result.dataset) == {"ann": ["7", "7"]}, "a repeat in a list is a real repeat; bob has no events"
    assert result.rejected == []


def test_tables_by_usual_names(tmp_path: Path) -> None:
    write_lines(tmp_path / "ratings.csv", ["userId,movieId,rating,timestamp", "1,10,4.5,7", "1,11,3,5", "2,10,,1"])
    write_lines(tmp_path / "movies.csv", ["movieId,title,genres", "10,Heat (1995),Action|Crime", '11,"Postino, Il",'])
    write_lines(tmp_path / "tags.csv", ["movieId,tag", "10,slow"])
    data = read_dataset(tmp_path, "ml").dataset
    assert lists_of(data) == {"1": ["11", "10"], "2": ["10"]}
    assert data.items["title"].tolist() == ["Heat (1995)", "Postino, Il"]
    assert data.items["categories"].tolist() == ["Action, Crime", ""]
    assert data.items["attributes"][0] == {"title": "Heat (1995)", "genres": "Action, Crime"}


def test_column_mapping(tmp_path: Path) -> None:
    write_lines(tmp_path / "log.csv", ["who,what,at", "ann,b2,2020-01-02T10:00:00Z", "ann,b1,2020-01-02 09:59:59"])
    write_lines(tmp_path / "items.csv", ["sku,label,maker", "b1,Beaker,Labora", "b2,Caliper,"])
    columns = {"user": "who", "item": "what", "timestamp": "at", "item_key": "sku", "title": "label", "brand": "maker"}
    data = read_dataset(tmp_path / "log.csv", "x", options={"columns": columns}).dataset
    assert data.provenance["columns"] == {"user": "who", "item": "what", "timestamp": "at"}
    assert lists_of(data) == {"ann": ["b1", "b2"]}
    assert data.items["title"].tolist() == ["Beaker", "Caliper"]
    assert data.items["brand"].tolist() == ["Labora", ""]
    with pytest.raises(InputError, match=r"log\.csv: column 'nobody' is missing; its columns are who, what, at"):
        read_dataset(tmp_path / "log.csv", "x", options={"columns": {"user": "nobody", "item": "what"}})


def test_table_without_items_and_without_timestamps(tmp_path: Path) -> None:
    write_lines(tmp_path / "purchases.csv", ["user,item,price", "ann,b2,1", "bob,b1,2", "ann,b2,3", "ann,b2,1"])
    result = read_dataset(tmp_path, "x")
    assert result.dataset.items["item_id"].tolist() == ["b2", "b1"]
    assert result.dataset.items["attributes"].tolist() == [{}, {}]
    assert lists_of(result.dataset) == {"ann": ["b2", "b2"], "bob": ["b1"]}
    assert [(r.line, r.reason) for r in result.rejected] == [(5, "duplicate interaction; the first one is kept")]


def test_parquet_types(tmp_path: Path) -> None:
    events = pd.DataFrame(
        {
            "user_id": [1.0, 2.0, None, 1.0],
            "asin": ["b1", "b1", "b1", "b2"],
            "time": pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-01", "2020-01-01"]),
        }
    )
    events.set_index(pd.Index([5, 6, 7, 9])).to_parquet(tmp_path / "reviews.parquet")
    items = pd.DataFrame({"asin": ["b1", "b2"], "category": [["Lab", "Glass"], []], "title": ["Beaker", None]})
    items.set_index(pd.Index([3, 8])).to_parquet(tmp_path / "items.parquet")
    result = read_dataset(tmp_path, "x")
    assert lists_of(result.dataset) == {"1": ["b2", "b1"], "2": ["b1"]}
    assert result.dataset.items["categories"].tolist() == ["Lab, Glass", ""]
    assert result.dataset.items["attributes"].tolist() == [{"category": "Lab, Glass", "title": "Beaker"}, {}]
    assert [(r.file, r.line, r.reason) for r in result.rejected] == [
        ("reviews.parquet", None, "row 3: empty user id (column 'user_id')")
    ]
