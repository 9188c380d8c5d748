"""Every kind of job in a process of its own, and jobs that died after their work was kept: nothing is made twice."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from genair_engine import cli, jobs, verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.store.tables import JobRow
from genair_engine.workspace import Workspace
from tests.jobs.conftest import metrics_of_the_run
from tests.verbs_workspaces import SMALL

SHORT = Sampling(max_new_tokens=6)
TRAIN = SMALL | {"dataset": "shop", "method": "id", "epochs": 1}


def test_every_kind_runs_and_its_result_can_be_read_back(workspace, source, drive):
    worker = drive(workspace, slots=2)

    def submitted(kind, request):
        return jobs.submit(workspace, kind, request).job

    def done(*names):
        worker.drive(lambda: not any(jobs.job(workspace, name).live for name in names))
        records = [jobs.job(workspace, name) for name in names]
        assert [(record.state, record.error, record.attempts) for record in records] == [("done", None, 1)] * len(records)
        return [record.result for record in records]

    (shop,) = done(submitted("import", verbs.ImportRequest(path=source, name="shop")))
    assert (shop["dataset"], shop["items"]) == ("shop", 12)
    written, run = done(
        submitted("generate", verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT, device="cpu")),
        submitted("train", verbs.TrainRequest(**TRAIN)),
    )
    assert (written["written"], written["items"]) == (12, 12)
    represented, again, scored, embedded = done(
        submitted("represent", verbs.RepresentRequest(dataset="shop", model="tiny-llama")),
        submitted("evaluate", verbs.EvaluateRequest(run=run["run"], device="cpu")),
        submitted("score", verbs.ScoreRequest(dataset="shop")),
        submitted("embed", verbs.EmbedRequest(dataset="shop", model="tiny-llama", text={"b01": "Tinkerers."}, device="cpu")),
    )
    assert embedded["written"] == 1
    assert [card["measured"] for card in scored["sets"]] == [12]
    assert again["metrics"] == run["metrics"] == metrics_of_the_run(workspace)
    (swept,) = done(
        submitted("sweep", verbs.SweepRequest(**(TRAIN | {"seed": 7, "backbones": ["sasrec", "gru4rec"], "methods": ["id"]})))
    )
    assert sorted(row["backbone"] for row in swept["rows"]) == ["gru4rec", "sasrec"]
    hidden = {"method": "genair", "representation": represented["representation"], "share": 0.3, "hide_seed": 1}
    (cold,) = done(submitted("coldstart", verbs.ColdStartRequest(**(TRAIN | hidden))))
    assert (cold["hidden"], cold["share"]) == (4, 0.3)
    spread, pictures = done(
        submitted("analyse", verbs.AnalyseRequest(spaces=[run["run"]], resamples=3)),
        submitted("project", verbs.ProjectRequest(spaces=[run["run"], represented["representation"]])),
    )
    assert [group["group"] for group in spread["spaces"][0]["groups"]] == [0, 1, 2, 3, 4, 5]
    assert [picture["computed"] for picture in pictures["projections"]] == [True, True]
    state = verbs.workspace_state(workspace).datasets[0]
    assert [stored.representation for stored in state.representations] == [represented["representation"]]
    kinds = [job.kind for job in jobs.jobs(workspace, jobs.JobsRequest()).jobs]
    assert sorted(kinds) == sorted(set(jobs.job_kinds()) - {"demo"})  # which takes minutes: tests/browser/test_browser_tour.py


def test_what_was_made_before_an_attempt_died_is_its_result(shop, settings, source, drive):
    verbs.generate(shop, verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT, device="cpu"))
    wanted = {
        "import": (verbs.import_dataset, verbs.ImportRequest(path=source, name="again")),
        "represent": (verbs.represent, verbs.RepresentRequest(dataset="shop", model="tiny-llama")),
        "train": (verbs.train, verbs.TrainRequest(**TRAIN)),
    }
    results = {}
    for kind, (verb, request) in wanted.items():
        job = jobs.submit(shop, kind, request).job
        process = Workspace.open(settings)
        process.job = job
        results[job] = verb(process, request)  # and here it dies
        process.close()
        with shop.session() as session:
            session.get(JobRow, job).attempts = 1
    worker = drive(shop, slots=3)
    worker.drive(lambda: not any(jobs.job(shop, job).live for job in results))
    for job, result in results.items():
        record = jobs.job(shop, job)
        assert (record.state, record.attempts, record.error) == ("done", 2, None)
        assert record.result == result.model_dump(mode="json")
    state = verbs.workspace_state(shop)
    assert [dataset.dataset for dataset in state.datasets] == ["again", "shop"]
    assert len(state.datasets[1].representations) == 1 and state.datasets[1].runs == {"done": 1}


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("import", verbs.ImportRequest(path=Path("/some/a b.csv"), name="shop", columns={"user": "u", "item": "the id"})),
        ("generate", verbs.GenerateRequest(dataset="shop", model="tiny-llama", sampling=SHORT, limit=7)),
        ("coldstart", verbs.ColdStartRequest(dataset="shop", representation="r", share=0.2, preset="studio")),
        ("analyse", verbs.AnalyseRequest(spaces=["sasrec-id-1", "minilm-2:prefill"], orders=[0.5, 2.0], centre=True)),
        ("project", verbs.ProjectRequest(spaces=["sasrec-id-1"], method="umap", min_distance=0.3)),
        ("sweep", verbs.SweepRequest(dataset="shop", methods=["id", "genair"], search={"dropout": "0.1..0.5"}, floors=True)),
    ],
)
def test_the_command_line_of_a_request_is_the_request(kind, request_):
    words = shlex.split(jobs.command_line(kind, request_))
    options = cli.parser(cli.commands()).parse_args(words)
    assert cli._request(type(request_), vars(options)).model_dump() == request_.model_dump()
