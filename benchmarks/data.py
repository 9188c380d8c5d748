"""Where the benchmarks find real data: ../shared/data, or the folder that GENAIR_TEST_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

from genair_engine.settings import REPOSITORY

DATA = Path(os.environ.get("GENAIR_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
SCIENTIFIC = DATA / "amazon-scientific"
MOVIELENS = DATA / "ml-100k"
