"""Import of 30,000 users, 20,000 items and 316,000 interactions, from files to committed rows, for every format."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from genair_engine import verbs
from genair_engine.catalog.synthetic import synthetic_dataset, write_csv, write_lcrec, write_recbole
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace


def main() -> None:
    dataset = synthetic_dataset(30_000, 20_000, 316_000)
    print("\n| import, 30,000 users, 20,000 items, 316,000 interactions | seconds |\n|---|---|")
    with tempfile.TemporaryDirectory() as space:
        workspace = Workspace.open(Settings(workspace=Path(space)))
        for name, write in (("lcrec", write_lcrec), ("recbole", write_recbole), ("csv", write_csv)):
            with tempfile.TemporaryDirectory() as folder:
                write(dataset, Path(folder))
                started = time.perf_counter()
                verbs.import_dataset(workspace, verbs.ImportRequest(path=Path(folder), name=name))
                print(f"| {name} | {time.perf_counter() - started:.1f} |", flush=True)
        workspace.close()


if __name__ == "__main__":
    main()
