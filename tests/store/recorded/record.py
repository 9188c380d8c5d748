"""Records a workspace of the schema of commit 1ef1754, and what that commit's code answered about it (see README.md)."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from sqlalchemy import create_engine, text

from genair_engine import verbs
from genair_engine.archetypes.backends import Sampling
from genair_engine.catalog.synthetic import synthetic_dataset, write_lcrec
from genair_engine.errors import NonFiniteError
from genair_engine.jobs import queue
from genair_engine.settings import Settings
from genair_engine.store.texts import settle_failures
from genair_engine.workspace import Workspace

DATASET = "shop"
SESSIONS = (["i3", "i12"], ["i7"], ["i1", "i10", "i19", "i28"])
SMALL = {"dim": 8, "layers": 1, "batch_size": 8, "epochs": 2, "max_len": 10, "device": "cpu"}
RUNS: dict[str, dict[str, Any]] = {
    "genair": {"backbone": "sasrec", "method": "genair", "gamma": 2.0, "alpha": 0.3},
    "id": {"backbone": "gru4rec", "method": "id", "loss": "bce"},
    "llminit": {"backbone": "bert4rec", "method": "llminit", "seed": 7},
    "genair-id": {"backbone": "sasrec", "method": "genair-id", "shortcut": True, "scaling": "parts", "without": "prefill"},
    "public-code": {"backbone": "sasrec", "method": "genair", "preset": "public-code", "epochs": 1},
}
ENCODED = frozenset({"genair-id"})
"""Runs that read the encoder's representation, not the language model's states."""


def main(folder: Path) -> None:
    """Writes `workspace/` and `answers.json` into the folder, in the place of those that are there."""
    shutil.rmtree(folder / "workspace", ignore_errors=True)
    workspace = Workspace.open(Settings(workspace=folder / "workspace", database_url=None))
    import_catalogue(workspace)
    sets = write_texts(workspace)
    representations = represent(workspace, sets)
    runs = train(workspace, representations)
    with mock.patch("genair_engine.serving.indexing.MOST_SHARE", 1000):  # so small a catalogue needs no index
        verbs.index(workspace, verbs.IndexRequest(run=runs["genair"], anyway=True, sessions=40, recall=0.5))
    job = queue.submit(workspace, "train", verbs.TrainRequest(dataset=DATASET, **(SMALL | RUNS["id"] | {"seed": 5})))
    queue.cancel(workspace, job.job)
    answers = {"sets": sets, "representations": representations, "runs": runs} | asked(workspace, runs)
    (folder / "answers.json").write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    workspace.close()
    settle(folder / "workspace")


def import_catalogue(workspace: Workspace) -> None:
    with TemporaryDirectory() as folder:
        write_lcrec(synthetic_dataset(users=50, items=30, interactions=400, seed=3), Path(folder))
        verbs.import_dataset(workspace, verbs.ImportRequest(path=Path(folder), name=DATASET))


def write_texts(workspace: Workspace) -> dict[str, str]:
    """Two sets of the demo model, the second with a failure, and an edited text; pinned, voted on, and scored."""
    prompt = verbs.save_prompt(workspace, verbs.PromptSaveRequest(name="short", question="Who buys this {noun}?")).prompt
    common: dict[str, Any] = {"dataset": DATASET, "model": "demo-llama", "device": "cpu"}
    short = {"sampling": Sampling(max_new_tokens=5)}
    first = verbs.generate(workspace, verbs.GenerateRequest(**common, **short)).archetypes
    options = {"seed": 1, "limit": 4, "prompt": prompt.version}
    second = verbs.generate(workspace, verbs.GenerateRequest(**common, **short, **options)).archetypes
    with workspace.session() as session:
        settle_failures(session, second, {5: "the model's answer was empty"}, [])
    edited = verbs.embed(workspace, verbs.EmbedRequest(**common, text={"i3": "1. Printers: they print."})).archetypes
    verbs.pin(workspace, verbs.PinRequest(dataset=DATASET, item="i1", archetypes=first, who="ann"))
    ballot = {"sets": [first, second], "winner": second, "up": [second], "blind": True, "reason": "clear", "who": "ann"}
    verbs.rate(workspace, verbs.RateRequest(dataset=DATASET, item="i2", **ballot))
    verbs.score(workspace, verbs.ScoreRequest(dataset=DATASET, archetypes=[first]))
    return {"first": first, "second": second, "edited": edited}


def represent(workspace: Workspace, sets: dict[str, str]) -> dict[str, str]:
    ways = {
        "states": {"model": "demo-llama", "archetypes": sets["first"], "components": 4},
        "encoded": {"model": "minilm", "archetypes": sets["first"], "title": True, "components": 3},
    }
    return {
        name: verbs.represent(workspace, verbs.RepresentRequest(dataset=DATASET, **way)).representation
        for name, way in ways.items()
    }


def train(workspace: Workspace, representations: dict[str, str]) -> dict[str, str]:
    """The runs of RUNS, one that has failed, and one that was stopped after its first epoch, by name."""

    def request(name: str, **options: Any) -> verbs.TrainRequest:
        chosen = representations["encoded" if name in ENCODED else "states"]
        reads = {} if RUNS[name]["method"] == "id" else {"representation": chosen}
        return verbs.TrainRequest(dataset=DATASET, **(SMALL | RUNS[name] | reads | options))

    def diverge(*_: object) -> None:
        raise NonFiniteError("The loss is not finite in epoch 1.")

    def stop(done: int, total: int, what: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    runs = {name: verbs.train(workspace, request(name)).run for name in RUNS}
    with mock.patch("genair_engine.training.trainer.Trainer.fit", diverge):
        try:
            verbs.train(workspace, request("genair", seed=8))
        except NonFiniteError:
            runs["failed"] = newest_run(workspace)
    try:
        verbs.train(workspace, request("genair", seed=9), stop)
    except KeyboardInterrupt:
        runs["stopped"] = newest_run(workspace)
    return runs


def newest_run(workspace: Workspace) -> str:
    return verbs.workspace_state(workspace).datasets[0].runs[0].run


def asked(workspace: Workspace, runs: dict[str, str]) -> dict[str, Any]:
    """What the workspace answers, as JSON."""
    (state,) = verbs.workspace_state(workspace).datasets
    details = [verbs.item_detail(workspace, DATASET, item) for item in ("i1", "i2", "i3", "i4")]
    return {
        "dataset": state.model_dump(mode="json", exclude={"runs"}),
        "run_results": {run.run: run.model_dump(mode="json") for run in state.runs},
        "recommended": {
            name: [
                [(item.item, item.score) for item in verbs.recommend(workspace, request).items]
                for request in (verbs.RecommendRequest(run=runs[name], items=session) for session in SESSIONS)
            ]
            for name in RUNS
        },
        "sessions": SESSIONS,
        "items": {detail.item.item: detail.model_dump(mode="json") for detail in details},
        "failed_texts": [failure.model_dump(mode="json") for failure in verbs.failed_archetypes(workspace, DATASET)],
        "pins": verbs.pin(workspace, verbs.PinRequest(dataset=DATASET)).model_dump(mode="json"),
        "ratings": verbs.ratings(workspace, verbs.RatingsRequest(dataset=DATASET)).model_dump(mode="json"),
        "prompts": verbs.list_prompts(workspace, verbs.PromptsRequest()).model_dump(mode="json"),
        "scores": verbs.score(workspace, verbs.ScoreRequest(dataset=DATASET)).model_dump(mode="json"),
        "jobs": queue.jobs(workspace, queue.JobsRequest()).model_dump(mode="json")["jobs"],
    }


def settle(folder: Path) -> None:
    """One database file, as small as it goes: nothing left in the write-ahead log, no locks, no empty folders."""
    engine = create_engine(f"sqlite:///{folder / 'genair.db'}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA journal_mode = DELETE"))
        connection.execute(text("VACUUM"))
    engine.dispose()
    for lock in folder.rglob("lock"):
        lock.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
