"""The demo catalogue: the same from the same seed, of the promised size and mess, with its structure really in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.demo import SUN_HAT_ID, DemoCatalogue, audiences, demo_catalogue, kinds, write_catalogue
from genair_engine.catalog.demo.items import MESSY, METADATA, MISSING, SILENT
from genair_engine.catalog.demo.people import MAX_EVENTS, MIN_EVENTS
from genair_engine.catalog.readers import read_dataset


@pytest.fixture(scope="module")
def catalogue() -> DemoCatalogue:
    return demo_catalogue()


@pytest.fixture(scope="module")
def read(catalogue: DemoCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("demo")
    write_catalogue(catalogue, folder)
    result = read_dataset(folder, "demo")
    assert result.rejected == []
    return result.dataset


def test_vocabulary_is_consistent() -> None:
    assert len({kind.department for kind in kinds()}) == 12
    assert {name for kind in kinds() for name in kind.audiences} == set(audiences())
    assert all(len(set(kind.audiences)) == len(kind.audiences) >= 4 and len(kind.features) >= 3 for kind in kinds())
    cues = [words for group in audiences().values() for words in (*group.cues, *group.tags)]
    assert len(cues) == len(set(cues)), "a cue belongs to one audience"
    departments = {name: {kind.department for kind in kinds() if name in kind.audiences} for name in audiences()}
    assert min(map(len, departments.values())) >= 4, "every audience has tastes across departments"
    assert all(set(group.later) <= set(audiences()) - {name} for name, group in audiences().items())


def test_the_seed_decides(catalogue: DemoCatalogue) -> None:
    again, other = demo_catalogue(), demo_catalogue(seed=1)
    assert again.items == catalogue.items and again.ids == catalogue.ids
    for name in ("user", "item", "time"):
        np.testing.assert_array_equal(getattr(again.events, name), getattr(catalogue.events, name))
    shared = {item.title for item in other.items} & {item.title for item in catalogue.items}
    assert shared == {"Zutano Baby UPF 30+ Sun Protection Hat"}


def test_sizes(read: Dataset) -> None:
    assert (read.n_items, read.n_users) == (1000, 4000)
    assert read.sequences.lengths.min() == MIN_EVENTS and read.sequences.lengths.max() <= MAX_EVENTS
    assert 8 < read.sequences.lengths.mean() < 10
    assert read.items["title"].is_unique


def test_popularity_has_a_long_tail(read: Dataset) -> None:
    counts = np.sort(np.bincount(read.sequences.items, minlength=1001)[1:])[::-1]
    assert counts[:200].sum() > 0.48 * counts.sum()
    assert np.median(counts) < 0.1 * counts[0]


def test_nobody_takes_an_item_twice_and_time_goes_on(catalogue: DemoCatalogue) -> None:
    events = catalogue.events
    assert not pd.DataFrame({"user": events.user, "item": events.item}).duplicated().any()
    assert (np.diff(events.time)[np.diff(events.user) == 0] > 0).all()


def test_missing_and_messy_shares(catalogue: DemoCatalogue) -> None:
    frame = pd.DataFrame([item.metadata for item in catalogue.items])
    for name, share in MISSING.items():
        assert (frame[name] == "").mean() == pytest.approx(share, abs=0.025), name
    assert (frame["title"] != "").all() and (frame["categories"] != "").all()
    messy_rows = {
        "title in capitals": frame["title"].str.isupper(),
        "title without the product": ~pd.Series([item.noun.lower() in item.title.lower() for item in catalogue.items]),
        "department only": ~frame["categories"].str.contains(", "),
        "price in words": ~frame["price"].str.match(r"\$") & (frame["price"] != ""),
        "markup in the description": frame["description"].str.contains("<br>|&amp;"),
        "date as a month": frame["date"].str.match("[A-Z]"),
        "return policy among the features": frame["features"].str.contains("return policy"),
    }
    assert messy_rows.keys() == MESSY.keys()
    for name, rows in messy_rows.items():
        assert 0.2 * MESSY[name] < rows.mean() < 2 * MESSY[name], name


def test_the_sun_hat_is_the_papers(read: Dataset) -> None:
    hat = read.items.iloc[24]
    assert hat["item_id"] == SUN_HAT_ID
    assert hat["title"] == "Zutano Baby UPF 30+ Sun Protection Hat"
    assert hat["description"].startswith("Our wide-brim sun hat with adorable chin ties")
    assert read.popularity[25] > 0


def test_reading_back_loses_nothing(catalogue: DemoCatalogue, read: Dataset) -> None:
    assert read.provenance["format"] == "tables"
    assert str(read.provenance["about"]).startswith("Synthetic: no item, brand, user or interaction")
    assert tuple(read.items["item_id"]) == catalogue.ids
    expected = [{name: value for name, value in item.metadata.items() if value} for item in catalogue.items]
    assert read.items["attributes"].tolist() == expected
    users = np.flatnonzero(np.diff(catalogue.events.user, prepend=-1))
    rows = dict(zip(read.user_ids, range(read.n_users), strict=True))
    for number, items in enumerate(np.split(catalogue.events.item, users[1:]), start=1):
        np.testing.assert_array_equal(read.sequences[rows[f"U{number:05}"]] - 1, items)


def test_what_was_planted_is_in_no_file(catalogue: DemoCatalogue, tmp_path: Path) -> None:
    write_catalogue(catalogue, tmp_path)
    assert list(pd.read_csv(tmp_path / "items.csv").columns) == ["item_id", *METADATA]
    text = (tmp_path / "items.csv").read_text()
    assert not [group.name for group in audiences().values() if group.broad in text or group.focused in text]


def test_items_taken_together_share_an_audience(catalogue: DemoCatalogue) -> None:
    together, random = _pairs(catalogue)
    assert _sharing(catalogue, together).mean() > 3 * _sharing(catalogue, random).mean()


def test_within_a_department_the_audience_still_decides(catalogue: DemoCatalogue) -> None:
    together, random = (_within_a_department(catalogue, pairs) for pairs in _pairs(catalogue))
    assert len(together) > 2000 and len(random) > 2000
    assert _sharing(catalogue, together).mean() > 2 * _sharing(catalogue, random).mean()


def test_prompts_show_whom_an_item_is_for(catalogue: DemoCatalogue) -> None:
    hinted = silent = lost = 0
    for item in catalogue.items:
        prompt = PAPER.render({name: value for name, value in item.metadata.items() if value}).lower()
        cues = [cue for cue in item.cues if cue]
        silent += not cues
        hinted += len(cues)
        lost += sum(cue.lower() not in prompt for cue in cues)
    assert lost < 0.01 * hinted
    assert silent / len(catalogue.items) == pytest.approx(SILENT, abs=0.02)


def test_command_writes_the_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "genair_engine.catalog.demo", "--output", str(tmp_path / "shop"), "--seed", "5"]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    assert {path.name for path in (tmp_path / "shop").iterdir()} == {"items.csv", "interactions.csv", "about.txt"}
    assert read_dataset(tmp_path / "shop", "shop").dataset.n_items == 1000


def _pairs(catalogue: DemoCatalogue) -> tuple[np.ndarray, np.ndarray]:
    """[n, 2] items that a user took one after the other, and pairs that are drawn from all events: as popular, but not
    by one user."""
    events = catalogue.events
    same = events.user[1:] == events.user[:-1]
    together = np.stack([events.item[:-1], events.item[1:]], axis=1)[same]
    return together, np.random.default_rng(0).choice(events.item, size=(40_000, 2))


def _sharing(catalogue: DemoCatalogue, pairs: np.ndarray) -> np.ndarray:
    people = [set(item.audiences) for item in catalogue.items]
    return np.array([bool(people[first] & people[second]) for first, second in pairs])


def _within_a_department(catalogue: DemoCatalogue, pairs: np.ndarray) -> np.ndarray:
    department = np.array([item.kind.department for item in catalogue.items])
    return pairs[department[pairs[:, 0]] == department[pairs[:, 1]]]
