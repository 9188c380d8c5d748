"""The tiny catalogue with trained runs of every kind that a new item can or cannot be put into; built once a test session.

Texts of some items are written by hand, so that there are audiences to compare; those of the others are a tiny model's. The
encoder counts vowels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import select

from genair_engine import verbs
from genair_engine.archetypes import loading
from genair_engine.catalog.synthetic import write_lcrec
from genair_engine.settings import Settings
from genair_engine.store.tables import TextRow
from genair_engine.verbs.representations import catalogue_states as states
from genair_engine.workspace import Workspace
from tests import conftest
from tests.verbs_workspaces import SHORT, SMALL

TEXTS = {
    1: "A meter for many:\n1. **Electricians**: they measure.\n2. Electronics hobbyists: they build.\n\nAnd so on.",
    2: "1. Hobbyists of electronics: they solder.\n2. Repair shops – they mend.",
    4: "For laboratories:\n1. Chemistry teachers: they show.\n2. Home brewers: they brew.",
    8: "1. Busy repair shops: they measure.\n2. Electricians who travel.",
}
BY_HAND = frozenset(TEXTS)


class Vowels:
    """An encoder whose vectors are the counts of the vowels."""

    model_id, revision, dim, device = "minilm", "1", 5, "cpu"

    def count_cut(self, texts: Sequence[str]) -> int:
        return 0

    def encode(self, texts: Sequence[str], *, names: Sequence[str] = ()) -> npt.NDArray[np.float32]:
        return np.array([[text.lower().count(letter) for letter in "aeiou"] for text in texts], dtype=np.float32)


@dataclass(frozen=True)
class RecommendedShop:
    """The workspace and its runs, by what their items are made of. representations: likewise, and "metadata" alone."""

    workspace: Workspace
    runs: dict[str, str]
    representations: dict[str, str]


@pytest.fixture
def vowels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder in place of MiniLM."""
    for module in (loading, states):
        monkeypatch.setattr(module, "load_encoder", lambda source, device="cpu": Vowels())


@pytest.fixture(scope="session")
def built_shop(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[RecommendedShop]:
    """Use `recommended_shop`, which has the encoder too. Tests must only read it."""
    folder = tmp_path_factory.mktemp("recommended")
    workspace = Workspace.open(Settings(workspace=folder / "workspace", database_url=None, models_dir=models_dir))
    write_lcrec(conftest.tiny.__wrapped__(), folder)
    verbs.import_dataset(workspace, verbs.ImportRequest(path=folder, name="shop", format="lcrec"))
    verbs.generate(workspace, verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT, device="cpu"))
    with workspace.session() as session:
        for row in session.scalars(select(TextRow).where(TextRow.position.in_(TEXTS))):
            row.text = TEXTS[row.position]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states, "load_encoder", lambda source, device="cpu": Vowels())
        ways = {
            "states": {"model": "tiny-llama"},
            "metadata": {"model": "minilm", "variance": 1.0},
            "texts": {"model": "minilm", "archetypes": "tiny-llama", "title": True, "variance": 1.0},
        }
        representations = {
            name: verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", **options)).representation
            for name, options in ways.items()
        }
    kinds = {
        "states": {"backbone": "sasrec", "method": "genair", "representation": representations["states"]},
        "metadata": {"backbone": "bert4rec", "method": "genair", "representation": representations["metadata"]},
        "texts": {
            "backbone": "gru4rec",
            "method": "genair-id",
            "representation": representations["texts"],
            "scaling": "parts",
            "without": "prefill",
            "shortcut": True,
            "learning_rate": 0.05,
        },
        "id": {"backbone": "sasrec", "method": "id"},
    }
    runs = {
        name: verbs.train(workspace, verbs.TrainRequest(dataset="shop", **(SMALL | options))).run
        for name, options in kinds.items()
    }
    yield RecommendedShop(workspace, runs, representations)
    workspace.close()


@pytest.fixture
def recommended_shop(built_shop: RecommendedShop, vowels: None) -> RecommendedShop:
    """The workspace with its runs, and the encoder."""
    return built_shop
