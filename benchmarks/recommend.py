"""The Recommend page on a large catalogue: `python -m benchmarks.recommend [--items 60000]`, Markdown on stdout.

A workspace with so many synthetic items, a text for every one of them, and two trained runs that stand side by side. The
page's script runs from the entry point, as in the app, after each of some edits of the session; what the browser then takes
to draw it is not in it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from benchmarks.studio import ENTRY, fill
from genair_engine import verbs

BAR = 0.3
"""Seconds from an edit to the new lists."""


def timed(act: Callable[[], Any], rounds: int) -> str:
    """Median and longest time of some calls, in ms."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        app = act()
        taken.append(1000 * (time.perf_counter() - began))
        assert not app.exception and not app.error, app
    return f"{statistics.median(taken):.0f} | {max(taken):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = fill(Path(folder), options.items, 1)
        config = {"method": "id", "dim": 128, "loss": "bpr", "epochs": 1, "device": "cpu"}
        runs = [verbs.train(workspace, verbs.TrainRequest(dataset="shop", seed=seed, **config)).run for seed in (1, 2)]
        session = workspace.load_dataset("shop").items["item_id"].iloc[:5].tolist()
        os.environ |= {"GENAIR_WORKSPACE": f"{folder}/workspace", "GENAIR_WORKER": "none", "GENAIR_DEMO_ITEMS": "0"}
        print(f"{options.items:,} items, load {os.getloadavg()[0]:.1f}\n")
        print(f"| Recommend, 10 results a model, bar {1000 * BAR:.0f} ms | median ms | longest ms |\n|---|---|---|")
        for number in (1, 2):
            app = AppTest.from_file(str(ENTRY), default_timeout=300)
            app.switch_page("../pages/recommend.py")
            asked = {"dataset": "shop", "session": ",".join(session), "run": ",".join(runs[:number])}
            for name, value in asked.items():
                app.query_params[name] = value
            app.run()
            edits = {
                "an item earlier": lambda app=app: app.button(key="session_up_2").click().run(),
                "words of the search": lambda app=app: app.text_input(key="session_search").set_value("hat").run(),
                "20 results": lambda app=app: app.segmented_control(key="k_view").set_value("20").run(),
            }
            for edit, act in edits.items():
                print(f"| {number} model{'s'[: number - 1]}: {edit} | {timed(act, options.rounds)} |", flush=True)
        workspace.close()


if __name__ == "__main__":
    main()
