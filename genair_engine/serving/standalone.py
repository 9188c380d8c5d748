"""Recommends from the exported folder that this file lies in: `python recommend.py --items id1,id2 -k 10`.

In a program: `from recommend import load`, then `load().recommend(["id1", "id2"], k=10)`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from genair_engine.errors import GenairError
from genair_engine.serving.bundle import load_bundle
from genair_engine.serving.ranker import Ranker


def load(folder: Path | str | None = None) -> Ranker:
    """The exported recommender, by default of the folder that this file is in; safe to share between threads."""
    return load_bundle(folder or Path(__file__).resolve().parent)


def main() -> None:
    parser = argparse.ArgumentParser(description="The next items after a session.")
    parser.add_argument("--items", required=True, help="the session: item ids, oldest first, separated by commas")
    parser.add_argument("-k", type=int, default=10, help="how many items")
    options = parser.parse_args()
    try:
        items = load().recommend([item_id.strip() for item_id in options.items.split(",") if item_id.strip()], options.k)
    except GenairError as error:
        sys.exit(f"error: {error}")
    for item in items:
        sys.stdout.write(f"{item.item}\t{item.score:.6f}\t{item.title}\n")


if __name__ == "__main__":
    main()
