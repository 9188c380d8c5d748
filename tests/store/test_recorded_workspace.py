"""A workspace that commit 1ef1754 left opens with today's code and answers as it did then (tests/store/recorded/README.md)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genair_engine import verbs
from genair_engine.jobs import queue
from genair_engine.settings import Settings
from genair_engine.verbs.training.runs import run_result
from genair_engine.workspace import Workspace

RECORDED = Path(__file__).parent / "recorded"
FINISHED = ("genair", "id", "llminit", "genair-id", "public-code")


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What the old code answered."""
    return json.loads((RECORDED / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A copy of the recorded workspace, upgraded."""
    folder = tmp_path_factory.mktemp("recorded") / "workspace"
    shutil.copytree(RECORDED / "workspace", folder)
    workspace = Workspace.open(Settings(workspace=folder, database_url=None))
    yield workspace
    workspace.close()


def test_the_data_set_has_its_sets_and_representations(recorded: Workspace, answers: dict[str, Any]) -> None:
    state = next(state for state in verbs.workspace_state(recorded).datasets if state.dataset == "shop")
    now, then = state.model_dump(mode="json"), answers["dataset"]
    for name in ("users", "items", "interactions", "rejected", "archetype_sets"):
        assert now[name] == then[name]
    made_of = ("representation", "model", "dims")
    assert [{name: vectors[name] for name in made_of} for vectors in now["representations"]] == [
        {name: vectors[name] for name in made_of} for vectors in then["representations"]
    ]


def test_every_run_is_listed_with_its_metrics(recorded: Workspace, answers: dict[str, Any]) -> None:
    assert [run.run for run in verbs.runs_of(recorded, "shop")] == list(answers["run_results"])
    for run, then in answers["run_results"].items():
        now = run_result(recorded, run).model_dump(mode="json")
        for name in (
            "representation",
            "state",
            "protocol",
            "trainable_parameters",
            "efficiency",
            "epochs",
            "best_epoch",
            "device",
        ):
            assert now[name] == then[name], name
        assert now["metrics"] == then["metrics"]
        assert bool(now["deviations"]) == bool(then["deviations"])
        assert now["config"].items() <= then["config"].items()


@pytest.mark.parametrize("name", FINISHED)
def test_a_run_recommends_the_same_items(recorded: Workspace, answers: dict[str, Any], name: str) -> None:
    for session, then in zip(answers["sessions"], answers["recommended"][name], strict=True):
        now = verbs.recommend(recorded, verbs.RecommendRequest(run=answers["runs"][name], items=session)).items
        assert [item.item for item in now] == [item for item, _ in then]
        assert [item.score for item in now] == pytest.approx([score for _, score in then], abs=1e-5)


def test_a_run_measures_the_same(recorded: Workspace, answers: dict[str, Any]) -> None:
    run = answers["runs"]["genair-id"]
    now = verbs.evaluate(recorded, verbs.EvaluateRequest(run=run, device="cpu")).metrics
    then = answers["run_results"][run]["metrics"]
    assert now["test"]["full"] == pytest.approx(then["test"]["full"])
    assert now["valid"]["sampled100"] == pytest.approx(then["valid"]["sampled100"])


def test_texts_pins_votes_prompts_and_scores_are_there(recorded: Workspace, answers: dict[str, Any]) -> None:
    kept = ("archetypes", "model", "text", "prompt_version", "prompt_tokens", "generated_tokens", "finish", "seed", "sampling")
    for item, then in answers["items"].items():
        now = verbs.item_detail(recorded, "shop", item).model_dump(mode="json")
        assert [{name: text[name] for name in kept} for text in now["archetypes"]] == [
            {name: text[name] for name in kept} for text in then["archetypes"]
        ]
        assert (now["pinned"], now["rank"], now["attributes"]) == (then["pinned"], then["rank"], then["attributes"])
    failures = [(failure.item, failure.archetypes, failure.reason) for failure in verbs.failed_archetypes(recorded, "shop")]
    assert failures == [(then["item"], then["archetypes"], then["reason"]) for then in answers["failed_texts"]]
    pins = verbs.pin(recorded, verbs.PinRequest(dataset="shop")).model_dump(mode="json")
    assert pins["pins"] == answers["pins"]["pins"]
    ratings = verbs.ratings(recorded, verbs.RatingsRequest(dataset="shop")).model_dump(mode="json")
    assert ratings.items() >= answers["ratings"].items()
    versions = {prompt.version for prompt in verbs.list_prompts(recorded, verbs.PromptsRequest()).prompts}
    assert versions >= {prompt["version"] for prompt in answers["prompts"]["prompts"]}
    scores = verbs.score(recorded, verbs.ScoreRequest(dataset="shop")).model_dump(mode="json")
    for now, then in zip(scores["sets"], answers["scores"]["sets"], strict=True):
        assert (now["archetypes"], now["items"], now["measured"]) == (then["archetypes"], then["items"], then["measured"])


@pytest.fixture
def own_copy(recorded: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """Another copy, for tests that change it."""
    shutil.copytree(RECORDED / "workspace", tmp_path / "workspace")
    workspace = Workspace.open(Settings(workspace=tmp_path / "workspace", database_url=None))
    yield workspace
    workspace.close()


def test_the_job_is_listed_and_can_be_resumed(own_copy: Workspace, answers: dict[str, Any]) -> None:
    (job,) = queue.jobs(own_copy, queue.JobsRequest()).jobs
    assert (job.job, job.state, job.title) == tuple(answers["jobs"][0][name] for name in ("job", "state", "title"))
    assert queue.retry(own_copy, job.job).state == "queued"


def test_new_runs_begin_on_what_is_there(own_copy: Workspace, answers: dict[str, Any]) -> None:
    options = {"dataset": "shop", "dim": 8, "layers": 1, "epochs": 1, "max_len": 10, "device": "cpu"}
    request = verbs.TrainRequest(representation=answers["representations"]["encoded"], method="genair-id", **options)
    trained = verbs.train(own_copy, request)
    assert trained.state == "done" and trained.run not in answers["run_results"]
    swept = verbs.sweep(own_copy, verbs.SweepRequest(method="id", seeds=[1, 2], **options))
    assert {row.method for row in swept.rows} == {"id"} and swept.rows[0].runs
    assert set(swept.rows[0].runs).isdisjoint(answers["run_results"])
    again = verbs.represent(own_copy, verbs.RepresentRequest(dataset="shop", model="demo-llama", components=2))
    assert again.dims == {"prefill": 2, "decoding": 2}


def test_deleting_the_data_set_takes_everything_with_it(own_copy: Workspace, answers: dict[str, Any]) -> None:
    verbs.delete_dataset(own_copy, verbs.DeleteRequest(dataset="shop"))
    assert verbs.workspace_state(own_copy).datasets == []
    assert [path for path in own_copy.folder.rglob("*.safetensors") if path.parent.name != "jobs"] == []


def asked(answers: dict[str, Any], seed: int) -> dict[str, Any]:
    """What the runs `genair` and `stopped` were asked for with, by their seed (record.py)."""
    small = {"dim": 8, "layers": 1, "batch_size": 8, "epochs": 2, "max_len": 10, "device": "cpu"}
    options = {"backbone": "sasrec", "method": "genair", "gamma": 2.0, "alpha": 0.3, "seed": seed}
    return {"dataset": "shop", "representation": answers["representations"]["states"], **small, **options}


def test_a_finished_run_is_known_and_one_that_was_stopped_goes_on(own_copy: Workspace, answers: dict[str, Any]) -> None:
    swept = verbs.sweep(own_copy, verbs.SweepRequest(**asked(answers, seed=42)))
    assert swept.rows[0].runs == [answers["runs"]["genair"]]
    done: list[int] = []
    resumed = verbs.train(own_copy, verbs.TrainRequest(**asked(answers, seed=9)), lambda at, *_: done.append(at))
    assert (resumed.run, resumed.state, resumed.epochs) == (answers["runs"]["stopped"], "done", 2)
    assert done[0] == 1  # from its checkpoint
