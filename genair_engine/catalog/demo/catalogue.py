"""The demo catalogue as a whole: drawn from a seed, written as the CSV tables that `readers/tables.py` reads.

Nothing in the files tells what was planted; `about.txt` beside them says that all is made up, and goes into the data set's
provenance. Evaluations and tests find the truth by drawing the catalogue again.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from genair_engine.catalog.demo.items import METADATA, DemoItem, draw_items, sun_hat
from genair_engine.catalog.demo.people import Events, draw_events
from genair_engine.catalog.demo.size import ITEMS, SUN_HAT_ID, SUN_HAT_NUMBER, USERS

SEED = 2026

ABOUT = f"""\
Synthetic: no item, brand, user or interaction of this data set is real.

The demo catalogue of GenAIR Studio, drawn from a seed by genair_engine/catalog/demo. Whom an item is for was planted and is
told by hints in its texts; users belong to such audiences and take what is for them. Only the item {SUN_HAT_ID} has the
title and the texts of a real one, as quoted in the GenAIR paper (WWW 2026, table 7); its interactions are made up, too.
"""


@dataclass(frozen=True)
class DemoCatalogue:
    """items: with what was planted behind them. ids: their ids, in the same order. events: rows of `items` by user."""

    items: tuple[DemoItem, ...]
    ids: tuple[str, ...]
    events: Events


def demo_catalogue(seed: int = SEED, items: int = ITEMS, users: int = USERS) -> DemoCatalogue:
    """The catalogue of this seed; all titles differ. Item 25 is the paper's sun hat (items must be at least 25)."""
    drawn: dict[str, DemoItem] = {}
    source = draw_items(random.Random(f"catalogue-{seed}"))
    while len(drawn) < items:
        item = sun_hat() if len(drawn) == SUN_HAT_NUMBER - 1 else next(source)
        drawn.setdefault(item.title, item)
    catalogue = tuple(drawn.values())
    ids = tuple(f"D{number:04}" for number in range(1, items + 1))
    return DemoCatalogue(catalogue, ids, draw_events(catalogue, users, np.random.default_rng(seed)))


def write_catalogue(catalogue: DemoCatalogue, folder: Path) -> None:
    """Writes items.csv, interactions.csv (by time) and about.txt into `folder`, which is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    items = pd.DataFrame([item.metadata for item in catalogue.items], columns=list(METADATA))
    items.insert(0, "item_id", catalogue.ids)
    events = catalogue.events
    log = pd.DataFrame(
        {
            "user_id": np.array([f"U{number:05}" for number in range(1, events.user.max() + 2)])[events.user],
            "item_id": np.array(catalogue.ids)[events.item],
            "timestamp": events.time,
        }
    ).sort_values(["timestamp", "user_id"], kind="stable")
    items.to_csv(folder / "items.csv", index=False, quoting=csv.QUOTE_MINIMAL)
    log.to_csv(folder / "interactions.csv", index=False)
    (folder / "about.txt").write_text(ABOUT, encoding="utf-8")
