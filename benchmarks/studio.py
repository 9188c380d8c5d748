"""The Archetypes page on a large catalogue: `python -m benchmarks.studio [--items 60000] [--models 4]`, Markdown on stdout.

A workspace with so many synthetic items and a text by each model for every one of them, scorecards and vocabulary at hand
(values of the scores are random: only their reading is timed). The page's script runs from the entry point, as in the app, for
items drawn at random; what the browser then takes to draw it is not in it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import insert
from streamlit.testing.v1 import AppTest

from genair_engine import verbs
from genair_engine.archetypes.scorecard import learn_vocabulary
from genair_engine.archetypes.scorecard.measures import VERSION
from genair_engine.catalog.demo import demo_catalogue, write_catalogue
from genair_engine.settings import Settings
from genair_engine.store import artifacts
from genair_engine.store.scorecards import keep_scorecard, state_of_set
from genair_engine.store.tables import ScorecardRow, TextRow, TextSetRow
from genair_engine.verbs.texts.scored_items import _vocabulary_name
from genair_engine.workspace import Workspace

ENTRY = Path(__file__).resolve().parents[1] / "app" / "Home.py"
TEXT = (
    "This item suits several groups of people.\n"
    + "\n".join(
        f"{n}. Audience {n}: people who look for what this item is made of, and use it on {n * 7} days." for n in range(1, 7)
    )
    + "\n\nAll of them would find it useful at home and on the way."
)
BAR = 1.0
"""Seconds to show an item."""


def fill(folder: Path, items: int, models: int) -> Workspace:
    """The workspace."""
    workspace = Workspace.open(Settings(workspace=folder / "workspace", database_url=None))
    write_catalogue(demo_catalogue(items=items, users=3000), folder / "shop")
    verbs.import_dataset(workspace, verbs.ImportRequest(path=folder / "shop", name="shop", format="tables"))
    owner = workspace.dataset_row("shop")
    attributes = workspace.load_dataset("shop").items[["attributes", "brand"]].iloc[:2000]
    vocabulary = learn_vocabulary(attributes["attributes"].tolist(), attributes["brand"].tolist())
    artifacts.save_json(workspace.path(_vocabulary_name(owner)), vocabulary.to_json())
    for number in range(models):
        _write(workspace, owner.id, f"model-{number}", items)
    return workspace


def _write(workspace: Workspace, dataset_id: int, model: str, items: int) -> None:
    folder = f"archetypes/{model}"
    artifacts.make_folder(workspace.path(folder))
    row = {
        "set_id": model,
        "text": TEXT,
        "prompt_tokens": 150,
        "generated_tokens": 250,
        "finish": "eos",
        "seconds": 0.1,
        "device": "cpu",
    }
    with workspace.session() as session:
        session.add(
            TextSetRow(
                id=model,
                dataset_id=dataset_id,
                key=model,
                model=model,
                revision="r",
                backend="transformers",
                prompt_version="paper-3da4e4c2",
                prompt={"instruction": "", "attribute": "{value}", "question": "?"},
                sampling=verbs.Sampling().model_dump() | {"precision": "float32"},
                seed=42,
                dim=64,
                code_version="0",
                folder=folder,
            )
        )
        session.flush()
        for start in range(1, items + 1, 10_000):
            rows = [row | {"position": place} for place in range(start, min(start + 10_000, items + 1))]
            session.execute(insert(TextRow), rows)
        texts, last = state_of_set(session, model)
        draw = np.random.default_rng(0)
        names = [measure.name for measure in verbs.MEASURES.values() if measure.per_item]
        scores = {name: draw.random(items, dtype=np.float32) for name in names}
        artifacts.save_arrays(workspace.path(f"{folder}/scores.safetensors"), scores)
        behaviour = {"auc": 0.6, "low": 0.5, "high": 0.7, "pairs": 1000}
        card = ScorecardRow(
            set_id=model,
            version=VERSION,
            texts=texts,
            last_text=last,
            behaviour=behaviour,
            file=f"{folder}/scores.safetensors",
        )
        keep_scorecard(session, card)


def shown(item: str, view: str) -> float:
    """Seconds that the page's script takes for an item."""
    app = AppTest.from_file(str(ENTRY), default_timeout=300)
    app.switch_page("../pages/archetypes.py")
    for name, value in {"dataset": "shop", "item": item, "view": view}.items():
        app.query_params[name] = value
    started = time.perf_counter()
    app.run()
    seconds = time.perf_counter() - started
    assert not app.exception and not app.error, app
    assert sum(f"**model\\-{n}**" in [element.value for element in app.markdown] for n in range(4)) == 4 or view != "compare"
    return seconds


def report(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.2f} | {max(times):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = fill(Path(folder), options.items, options.models)
        items = workspace.load_dataset("shop").items["item_id"].tolist()
        os.environ |= {"GENAIR_WORKSPACE": f"{folder}/workspace", "GENAIR_WORKER": "none", "GENAIR_DEMO_ITEMS": "0"}
        chosen = np.random.default_rng(1).choice(items, size=options.rounds, replace=False)
        first = shown(items[0], "compare")
        print(f"{options.items:,} items × {options.models} models, load {os.getloadavg()[0]:.1f}; first page {first:.2f} s\n")
        print("| view | median seconds | longest | bar |\n|---|---|---|---|")
        for view in ("compare", "rate", "prompt", "catalogue"):
            print(f"| {view} | {report([shown(str(item), view) for item in chosen])} | {BAR:.0f} |")
        workspace.close()


if __name__ == "__main__":
    main()
