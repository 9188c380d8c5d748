"""A small workspace with everything in it, built once a test session through the verbs, for pages and browser.

Eighteen synthetic items and one hostile one, archetypes by both demo models, a representation of one model's states, and
two trained runs. The demo models write 40 tokens greedily: enough to be shown, quick to make.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from genair_engine import verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.catalog.synthetic import synthetic_dataset, write_lcrec
from genair_engine.settings import Settings
from genair_engine.workspace import Workspace

DATASET = "workshop"
HOSTILE_TITLE = (
    "**bold** <script>alert(1)</script> :red[x] $a^2$ [x](http://e.example) ![i](http://e.example/i.png) "
    ":tada: :material/home: www.e.example a@e.example A -> B `c` <b>t</b> # 1. ~~s~~ | &amp; \\"
)
HOSTILE_ID = "i0"


@dataclass(frozen=True)
class FilledWorkspace:
    """Where it is, and the runs that can recommend: GenAIR's, and one on ids alone."""

    folder: Path
    run: str
    id_run: str


@pytest.fixture(scope="session")
def filled_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledWorkspace]:
    """Dataset `workshop`, complete, and dataset `untouched`, only imported. Tests must only read it."""
    if not all((Settings().models_dir / name / "model.safetensors").exists() for name in ("demo-llama", "demo-qwen")):
        pytest.skip("the demo language models are missing in models_cache")
    folder = tmp_path_factory.mktemp("filled")
    workspace = Workspace.open(Settings(workspace=folder / "workspace", database_url=None))
    for name in (DATASET, "untouched"):
        verbs.import_dataset(workspace, verbs.ImportRequest(path=_catalogue(folder / name), name=name))
    sampling = Sampling(greedy=True, max_new_tokens=40)
    for model, limit in (("demo-llama", None), ("demo-qwen", 4)):
        verbs.generate(workspace, verbs.GenerateRequest(dataset=DATASET, model=model, limit=limit, sampling=sampling))
    represented = verbs.represent(workspace, verbs.RepresentRequest(dataset=DATASET, model="demo-llama"))
    config = {"dim": 16, "layers": 1, "epochs": 2, "max_len": 20, "device": "cpu"}
    ways = ({"method": "id"}, {"representation": represented.representation})
    without, run = (verbs.train(workspace, verbs.TrainRequest(dataset=DATASET, **way, **config)).run for way in ways)
    workspace.close()
    yield FilledWorkspace(folder / "workspace", run, without)


def _catalogue(folder: Path) -> Path:
    folder.mkdir()
    dataset = synthetic_dataset(users=60, items=18, interactions=420, seed=3)
    hostile = dataset.items.index[dataset.items["item_id"] == HOSTILE_ID][0]
    dataset.items.loc[hostile, "attributes"]["title"] = HOSTILE_TITLE
    write_lcrec(dataset, folder)
    return folder
