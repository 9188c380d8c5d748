"""A method is added as CONTRIBUTING says, by one file and one line, and everything that knows methods knows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.house.copies import ROOT, addition, copy_with, run_in

TRAINS = """
import json
from genair_engine import verbs
from genair_engine.store.runs import leaderboard_rows
from genair_engine.workspace import Workspace

workspace = Workspace.open()
verbs.import_dataset(workspace, verbs.ImportRequest(path="shop", name="shop"))
asked = verbs.RepresentRequest(dataset="shop", model="minilm", components=3)
representation = verbs.represent(workspace, asked).representation
small = {"dataset": "shop", "method": "shuffled", "representation": representation, "dim": 8, "layers": 1, "epochs": 1}
runs = [verbs.train(workspace, verbs.TrainRequest(**small, shuffle_seed=seed)) for seed in (7, 8)]
again = verbs.sweep(workspace, verbs.SweepRequest(**small)).rows[0]
with workspace.reading() as session:
    board = leaderboard_rows(session, ["NDCG@10"])
print(json.dumps({
    "config": runs[1].config, "reused": again.runs == [runs[0].run], "runs": [run.run for run in runs],
    "board": [(row.method, row.run) for row in board],
}))
"""
FORM = """
from genair_engine import verbs
choices = verbs.training_choices({"method": "shuffled"})
print(choices.method.purpose, choices.groups[0].options[-1], choices.defaults["shuffle_seed"], choices.names["method"][-1])
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_with(addition("A method"), tmp_path_factory.mktemp("copy"))


def test_the_command_line_shows_it_with_its_option(copy: Path) -> None:
    before, after = (" ".join(run_in(folder, "-m", "genair_engine", "train", "--help").split()) for folder in (ROOT, copy))
    assert "shuffled" not in before
    assert "shuffled = GenAIR with the representations of other items, a control" in after
    assert "seed of the order in which items get representations (of shuffled; default: 7)" in after


def test_the_documentation_shows_it(copy: Path) -> None:
    run_in(copy, "-m", "docs.generate")
    section = (copy / "docs" / "components.md").read_text().partition("## Method `shuffled`")[2].partition("\n## ")[0]
    assert "GenAIR with the representations of other items, a control. Source: ours." in section
    assert "| `--shuffle-seed` | whole number, ≥ 0 | `7` | seed of the order" in section
    assert "(of shuffled)" in (copy / "docs" / "cli.md").read_text()


def test_the_form_shows_it(copy: Path) -> None:
    printed = run_in(copy, "-c", FORM).strip()
    assert printed == "GenAIR with the representations of other items, a control shuffle_seed 7 shuffled"


def test_it_is_asked_what_every_method_is_asked(copy: Path) -> None:
    ended = run_in(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/methods/test_contract.py", "-k", "shuffled")
    assert " passed" in ended and "failed" not in ended


def test_it_is_trained_found_again_and_in_the_table_of_results(copy: Path) -> None:
    (copy / "shop").mkdir()
    events = [f"u{user},i{(user * 3 + step * step) % 7},{step}" for user in range(8) for step in range(6)]
    (copy / "shop" / "interactions.csv").write_text("\n".join(["user_id,item_id,timestamp", *events, ""]))
    titles = ["hammer", "garden hose", "violin", "baby monitor", "tent", "glue gun", "novel"]
    items = [f"i{number},{title}" for number, title in enumerate(titles)]
    (copy / "shop" / "items.csv").write_text("\n".join(["item_id,title", *items, ""]))
    result = json.loads(run_in(copy, "-c", TRAINS).splitlines()[-1])
    assert result["config"]["shuffle_seed"] == 8 and result["config"]["method"] == "shuffled"
    assert result["reused"] and sorted(result["board"]) == sorted(["shuffled", run] for run in result["runs"])
