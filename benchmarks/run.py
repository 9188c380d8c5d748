"""All benchmarks, one after another: `python -m benchmarks.run [PART …]`, the parts being `PARTS` below.

Each is a module of its own with options of its own (`python -m benchmarks.train --help`). Results are Markdown on stdout;
benchmarks/README.md says what was measured when, and where. The quality part trains for hours on two cores; it keeps its runs
in benchmarks/workspace and goes on with them when it is started again.
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
    "serving": [],
    "generation": [],
    "embeddings": [],
    "studio": [],
    "train": ["--plot", str(HERE / "growth.svg")],
    "quality": ["--workspace", str(HERE / "workspace")],
    "demo": ["--workspace", str(HERE / "workspace" / "demo")],
    "reasons": [],
    "coldstart": ["--workspace", str(HERE / "workspace")],
}
"""A benchmark's module, and the options that it is run with."""


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
