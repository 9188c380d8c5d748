"""Writes the demo catalogue: `python -m genair_engine.catalog.demo --output FOLDER [--seed N]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from genair_engine.catalog.demo.catalogue import SEED, demo_catalogue, write_catalogue


def main() -> None:
    """The command line: see `--help`."""
    parser = argparse.ArgumentParser(description="Write the synthetic demo catalogue as CSV tables.")
    parser.add_argument("--output", type=Path, required=True, help="folder to write items.csv and interactions.csv to")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed is another shop")
    options = parser.parse_args()
    write_catalogue(demo_catalogue(options.seed), options.output)


if __name__ == "__main__":
    main()
