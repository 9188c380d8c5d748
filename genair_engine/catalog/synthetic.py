"""Made-up catalogues for tests and benchmarks: any size, skewed popularity, planted clusters of interest.

Every item belongs to one cluster (its category) and its popularity follows Zipf's law; every user draws most events
from the own cluster. So there is something to be learnt, and texts tell of it.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences

CLUSTERS = (
    "Abrasives",
    "Adhesives",
    "Filtration",
    "Fasteners",
    "Glassware",
    "Hydraulics",
    "Optics",
    "Printing",
    "Safety",
)
_KINDS = ("set", "kit", "unit", "pack", "tool", "cartridge")
_OWN_CLUSTER = 0.8
"""Share of a user's events in the user's own cluster."""


def synthetic_dataset(users: int, items: int, interactions: int, seed: int = 0) -> Dataset:
    """A dataset of this size ([users] sequences of about equal length, at least 1), the same for the same seed.

    No user meets the same item twice in a row; interactions must be at least users.
    """
    random = np.random.default_rng(seed)
    lengths = 1 + random.multinomial(interactions - users, np.full(users, 1 / users))
    user = np.repeat(np.arange(users), lengths)
    cluster = np.arange(items) % len(CLUSTERS)
    home = random.integers(min(len(CLUSTERS), items), size=users)[user]

    weight = 1 / (1 + random.permutation(items))
    anywhere = random.choice(items, size=interactions, p=weight / weight.sum())
    at_home = np.empty(interactions, dtype=np.int64)
    for group in np.unique(home):
        members = np.flatnonzero(cluster == group)
        chosen = home == group
        at_home[chosen] = random.choice(members, size=chosen.sum(), p=weight[members] / weight[members].sum())
    item = np.where(random.random(interactions) < _OWN_CLUSTER, at_home, anywhere)
    again = (np.diff(item, prepend=-1) == 0) & (np.diff(user, prepend=-1) == 0)
    item = np.where(again, (item + len(CLUSTERS)) % items, item)

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Dataset(
        name="synthetic",
        items=_items(cluster, random),
        sequences=Sequences((item + 1).astype(np.int32), offsets),
        user_ids=[f"u{number}" for number in range(users)],
        provenance={"format": "synthetic", "seed": seed},
    )


def write_lcrec(dataset: Dataset, folder: Path) -> None:
    """Writes the dataset as LC-Rec pair `<name>.inter.json`, `<name>.item.json`."""
    ids = dataset.items["item_id"].to_numpy(object)
    lists = {user: ids[dataset.sequences[row] - 1].tolist() for row, user in enumerate(dataset.user_ids)}
    fields = dict(zip(ids.tolist(), dataset.items["attributes"].tolist(), strict=True))
    (folder / f"{dataset.name}.inter.json").write_text(json.dumps(lists), encoding="utf-8")
    (folder / f"{dataset.name}.item.json").write_text(json.dumps(fields), encoding="utf-8")


def write_recbole(dataset: Dataset, folder: Path) -> None:
    """Writes the dataset as atomic files `<name>.inter` and `<name>.item`; timestamps are places in the list."""
    types = {"item_id": "token", "title": "token_seq", "brand": "token", "categories": "token_seq"}
    items = dataset.items[list(types)].rename(columns={name: f"{name}:{kind}" for name, kind in types.items()})
    events = _events(dataset).set_axis(["user_id:token", "item_id:token", "timestamp:float"], axis=1)
    for suffix, frame in ((".inter", events), (".item", items)):
        path = folder / f"{dataset.name}{suffix}"
        frame.to_csv(path, sep="\t", index=False, quoting=csv.QUOTE_NONE)


def write_csv(dataset: Dataset, folder: Path) -> None:
    """Writes the dataset as interactions.csv and items.csv."""
    _events(dataset).to_csv(folder / "interactions.csv", index=False)
    dataset.items.drop(columns="attributes").to_csv(folder / "items.csv", index=False)


def _events(dataset: Dataset) -> pd.DataFrame:
    sequences = dataset.sequences
    return pd.DataFrame(
        {
            "user_id": np.array(dataset.user_ids, dtype=object)[sequences.users],
            "item_id": dataset.items["item_id"].to_numpy(object)[sequences.items - 1],
            "timestamp": np.arange(len(sequences.items)) - sequences.offsets[sequences.users],
        }
    )


def _items(cluster: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    category = np.array(CLUSTERS, dtype=object)[cluster]
    kind = np.array(_KINDS, dtype=object)[random.integers(len(_KINDS), size=len(cluster))]
    rows = [
        {
            "title": f"{name} {noun} {number}",
            "brand": f"Brand {number % 50}",
            "categories": name,
            "description": f"A {noun} for work with {name.lower()}.",
        }
        for number, (name, noun) in enumerate(zip(category, kind, strict=True))
    ]
    items = pd.DataFrame(rows, dtype="str")
    items.insert(0, "item_id", [f"i{number}" for number in range(len(rows))])
    return items.assign(attributes=pd.Series(rows, dtype=object))
