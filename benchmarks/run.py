"""All benchmarks, one after another: `python -m benchmarks.run [PART …]`, the parts being `PARTS` below.

Each is a module of its own with options of its own (`python -m benchmarks.train --help`). Results are Markdown on stdout;
benchmarks/README.md says what was measured when, and where. The parts quality and demo keep their runs in benchmarks/workspace
and go on with them when they are started again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS: dict[str, list[str]] = {
    "imports": [],
    "cooccurrence": [],
    "ranking": [],
    "jobs": [],
    "generation": [],
    "embeddings": [],
    "studio": ["--rounds", "9"],
    "recommend": [],
    "reasons": [],
    "serving": ["exact", "http"],
    "train": ["--plot", str(HERE / "growth.svg")],
    "quality": ["recipe", "views", "fusion", "--workspace", str(HERE / "workspace")],
    "demo": ["--workspace", str(HERE / "workspace" / "demo")],
}
"""A benchmark's module, and the options that it is run with. Not here are what takes hours on two cores (other parts of
`quality`, a million items in `serving index`) and what needs a workspace with trained runs (`audience`, `coldstart`, `reasons`
on a real run)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parts = parser.parse_args().parts
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: give {', '.join(PARTS)}")
    failed = []
    for part in parts:
        # A process each: peak memory is a process's, and one that fails does not take the others with it.
        if subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *PARTS[part]], check=False).returncode:
            failed.append(part)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
