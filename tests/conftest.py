"""Fixtures shared by all tests: the folder with real data (skipped where absent) and a hand-written tiny dataset."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from tests.tiny_language_models import save_model

pytest_plugins = [
    "tests.ray_cluster",
    "tests.recommended_shop",
    "tests.s3_server",
    "tests.store_fixtures",
    "tests.verbs_workspaces",
    "tests.workspaces",
]

gc.set_threshold(20_000, 20, 20)  # with torch loaded, looking for garbage every 700 objects is a tenth of these tests' time
settings.register_profile("timeless", deadline=None)  # tests assert no times: the machine may be busy
settings.load_profile("timeless")

REPOSITORY = Path(__file__).resolve().parents[1]

TINY_ITEMS = [
    ("b01", "Digital Multimeter", "Volta", "Tools, Electrical", "Measures voltage, current and resistance."),
    ("b02", "Soldering Iron", "Volta", "Tools, Electrical", "Sixty watts, adjustable temperature."),
    ("b03", "Lead-Free Solder", "Volta", "Consumables, Electrical", "One millimetre wire on a spool."),
    ("b04", "Glass Beaker Set", "Labora", "Laboratory, Glassware", "Five borosilicate beakers."),
    ("b05", "Graduated Cylinder", "Labora", "Laboratory, Glassware", "One hundred millilitres."),
    ("b06", "Nitrile Gloves", "SafeHand", "Safety", "Powder-free, box of one hundred."),
    ("b07", "Safety Goggles", "SafeHand", "Safety", ""),
    ("b08", "Digital Caliper", "Metrix", "Tools, Measuring", "Stainless steel, 150 mm."),
    ("b09", "Feeler Gauge", "Metrix", "Tools, Measuring", "Thirty-two blades."),
    ("b10", "PLA Filament", "Printa", "Consumables, 3D Printing", "One kilogram, white."),
    ("b11", "Printer Nozzle", "Printa", "3D Printing", "Brass, 0.4 mm."),
    ("b12", "Unsold Spare Part", "", "", ""),
]

TINY_SEQUENCES = {
    "ann": [1, 2, 3, 8],
    "bob": [4, 5, 6, 7, 4],
    "cem": [8, 9, 1],
    "dia": [10, 11, 8, 10],
    "eve": [1, 3],
    "fay": [6, 7, 4, 5],
    "gus": [10],
    "hal": [1, 2, 3, 6, 7],
    "ida": [8, 9, 10, 11],
    "jon": [4, 6, 5],
}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real datasets (`amazon-scientific`, `ml-100k`); GENAIR_TEST_DATA names another place."""
    folder = Path(os.environ.get("GENAIR_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set GENAIR_TEST_DATA to run these tests")
    return folder


@pytest.fixture
def tiny() -> Dataset:
    """Twelve items (b12 was never bought) and ten users, two of them (eve, gus) too short to be evaluated."""
    items = pd.DataFrame(TINY_ITEMS, columns=["item_id", "title", "brand", "categories", "description"])
    fields = ["title", "brand", "categories", "description"]
    items["attributes"] = [{k: v for k, v in row.items() if v} for row in items[fields].to_dict("records")]
    return Dataset(
        name="tiny",
        items=items,
        sequences=Sequences.from_lists(TINY_SEQUENCES.values()),
        user_ids=list(TINY_SEQUENCES),
        provenance={"format": "test"},
    )


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for models_cache with two tiny random language models, `tiny-llama` and `tiny-qwen`."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "tiny-llama", "llama")
    save_model(folder / "tiny-qwen", "qwen")
    return folder
