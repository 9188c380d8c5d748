"""All benchmarks, one after another: `python -m benchmarks.run [imports] [cooccurrence] [ranking] [train] [quality]`.

Each is a module of its own with options of its own (`python -m benchmarks.train --help`). Results are Markdown on stdout;
benchmarks/README.md says what was measured when, and where. The quality part trains for hours on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile

PARTS = ("imports", "cooccurrence", "ranking", "train", "quality")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART", help=", ".join(PARTS))
    parts = parser.parse_args().parts
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: give {', '.join(PARTS)}")
    failed = []
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            options = ["--workspace", folder] if part == "quality" else []
            # A process each: peak memory is a process's, and one that fails does not take the others with it.
            if subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *options], check=False).returncode:
                failed.append(part)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
