"""The verb `demo`: the whole way, interrupted and taken up again, and what it refuses."""

from __future__ import annotations

from contextlib import closing

import pytest

from genair_engine import verbs
from genair_engine.catalog.synthetic import synthetic_dataset, write_lcrec
from genair_engine.errors import InputError, ModelError
from genair_engine.settings import REPOSITORY
from genair_engine.workspace import Workspace

SMALL = verbs.DemoRequest(items=25, device="cpu")


@pytest.fixture
def workspace(settings):
    opened = Workspace.open(settings.model_copy(update={"models_dir": REPOSITORY / "models_cache"}))
    yield opened
    opened.close()


class Interrupted(Exception):
    """What a person's Ctrl-C is to the verb."""


def test_interrupted_at_any_step_it_goes_on_and_makes_nothing_twice(workspace):
    reports = []
    for stop in ("imported", "demo-qwen writes", "sasrec id", "sasrec genair"):

        def progress(done, total, what, stop=stop):
            reports.append((done, total))
            if what.startswith(stop) and done:
                raise Interrupted

        with pytest.raises(Interrupted):
            verbs.demo(workspace, SMALL, progress)
    result = verbs.demo(workspace, SMALL, lambda done, total, what: reports.append((done, total)))
    assert all(0 <= done <= total == 100 for done, total in reports) and reports[-1] == (100, 100)

    (dataset,) = verbs.workspace_state(workspace).datasets
    assert (dataset.dataset, dataset.items, dataset.users) == (verbs.DEMO, 25, 100)
    assert dataset.about.startswith("Synthetic")
    assert [(texts.model, texts.items) for texts in dataset.archetype_sets] == [("demo-llama", 25), ("demo-qwen", 25)]
    assert len(dataset.representations) == 1
    runs = verbs.runs_of(workspace, verbs.DEMO)
    floors = {name for name, method in verbs.METHODS.items() if method.tags.floor}
    assert {run.config["method"] for run in runs} == {"id", "genair"} | floors
    assert dataset.runs == {"done": 2 + len(floors)}
    assert result.archetypes == {"demo-llama": 25, "demo-qwen": 25}
    table = {(row.backbone, row.method) for row in result.results.rows}
    assert table >= {("sasrec", "id"), ("sasrec", "genair"), ("", "popularity")}
    assert verbs.known_items(workspace, verbs.DEMO, [verbs.SUN_HAT])[verbs.SUN_HAT].title.startswith("Zutano Baby UPF 30+")
    assert any("demo-qwen for 25 items" in line for line in result.lines())


def test_another_data_set_of_that_name_is_not_taken_for_the_demo(workspace, tmp_path):
    write_lcrec(synthetic_dataset(users=20, items=10, interactions=120, seed=1), tmp_path)
    verbs.import_dataset(workspace, verbs.ImportRequest(path=tmp_path, name=verbs.DEMO))
    with pytest.raises(InputError, match="'demo' that is not the demo"):
        verbs.demo(workspace, SMALL)


def test_without_its_language_models_nothing_is_begun(settings, tmp_path):
    with closing(Workspace.open(settings.model_copy(update={"models_dir": tmp_path}))) as workspace:
        with pytest.raises(ModelError, match="demo-llama"):
            verbs.demo(workspace, SMALL)
        assert workspace.dataset_rows() == []
