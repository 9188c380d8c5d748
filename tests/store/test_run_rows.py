"""Runs in the database: what they read, their metrics as rows, and the table of results, on both back-ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from genair_engine.store.metrics import load_metrics, save_metrics
from genair_engine.store.runs import LeaderboardRow, best_runs, count_runs, leaderboard_rows, list_runs
from genair_engine.store.tables import (
    DatasetRow,
    RepresentationRow,
    RunEpochRow,
    RunInputRow,
    RunMetricRow,
    RunRow,
    TextSetRow,
)
from genair_engine.workspace import Workspace

METRICS: dict[str, dict[str, Any]] = {
    "valid": {"full": {"HR@10": 0.5, "NDCG@10": 0.25}},
    "test": {
        "full": {"HR@10": 0.4, "NDCG@10": 0.2},
        "sampled100": {"HR@10": 0.75, "NDCG@10": 0.5},
        "groups": {
            "popularity": {"full": {"Q1": {"users": 0}, "Q2": {"users": 3, "HR@10": 1 / 3}}},
            "history": {"full": {"2–4": {"users": 3, "HR@10": 1 / 3}, "10": {"users": 1, "HR@10": 0.0}}},
        },
        "beyond": {"coverage@10": 0.125, "novelty@10": 5.7},
    },
}


def add_dataset(session: Session, name: str) -> int:
    numbers = dict.fromkeys(("n_users", "n_items", "n_interactions", "n_rejected"), 0)
    row = DatasetRow(name=name, format="test", content_hash="", provenance={}, folder=name, **numbers)
    session.add(row)
    session.flush()
    return row.id


def add_run(session: Session, dataset_id: int, name: str, inputs: tuple[RunInputRow, ...] = (), **values: Any) -> RunRow:
    given = {"backbone": "sasrec", "method": "genair", "loss": "ce", "seed": 1, "state": "done"} | values
    texts = {"config_key": name, "device": "cpu", "code_version": "0", "folder": f"runs/{name}"}
    run = RunRow(id=name, dataset_id=dataset_id, config={}, inputs=list(inputs), **given, **texts)
    session.add(run)
    session.flush()
    return run


def add_set(session: Session, dataset_id: int, name: str) -> None:
    texts = dict.fromkeys(("key", "model", "revision", "backend", "prompt_version", "code_version", "folder"), name)
    session.add(TextSetRow(id=name, dataset_id=dataset_id, prompt={}, sampling={}, seed=0, dim=1, **texts))
    session.flush()


def add_representation(session: Session, dataset_id: int, name: str, of_set: str | None = None) -> None:
    texts = dict.fromkeys(("model", "revision", "folder"), name)
    session.add(RepresentationRow(id=name, dataset_id=dataset_id, text_set_id=of_set, parts=[], provenance={}, **texts))
    session.flush()


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def number_of(session: Session, *tables: Any) -> list[int | None]:
    return [session.scalar(select(func.count()).select_from(table)) for table in tables]


def test_metrics_come_back_as_they_were_kept_in_their_order(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        owner = add_dataset(session, "shop")
        for name in ("r1", "r2"):
            add_run(session, owner, name)
        save_metrics(session, "r1", {"valid": {"full": {"HR@10": 0.0}}})
        save_metrics(session, "r1", METRICS)
    with store_workspace.reading() as session, counted(store_workspace.engine) as statements:
        loaded = load_metrics(session, ["r1", "r2"])
        assert len([statement for statement in statements if "run_metrics" in statement]) == 1
        assert loaded == {"r1": METRICS, "r2": {}}
        assert repr(loaded["r1"]) == repr(METRICS)  # the order of parts, groups and measures, and counts are whole numbers
        of_all = load_metrics(session, ["r1"], groups=False)["r1"]
    assert of_all["valid"] == METRICS["valid"]
    assert of_all["test"] == {name: METRICS["test"][name] for name in ("full", "sampled100", "beyond")}


def test_a_run_knows_what_it_reads_after_its_session(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        owner = add_dataset(session, "shop")
        add_set(session, owner, "s1")
        add_representation(session, owner, "e1")
        add_run(session, owner, "teacher")
        inputs = (("representation", "representation", "e1"), ("profiles", "texts", "s1"), ("teacher", "run", "teacher"))
        add_run(session, owner, "r1", tuple(RunInputRow.of(*row) for row in inputs))
    with store_workspace.reading() as session, counted(store_workspace.engine) as statements:
        runs = {run.id: run for run in list_runs(session, owner)}
    assert len([statement for statement in statements if "FROM run" in statement]) == 2  # runs, and what all of them read
    assert [(row.role, row.kind, row.input_id) for row in runs["r1"].inputs] == sorted(inputs)
    assert [runs["r1"].input(role) for role in ("representation", "teacher", "graph")] == ["e1", "teacher", None]
    assert runs["teacher"].inputs == []


@pytest.mark.parametrize(
    "values",
    [{}, {"representation_id": "e1", "text_set_id": "s1"}, {"representation_id": "e2"}],
    ids=["nothing", "two at once", "what is not there"],
)
def test_a_row_that_names_no_input_or_two_is_refused(store_workspace: Workspace, values: dict[str, str]) -> None:
    with store_workspace.session() as session:
        owner = add_dataset(session, "shop")
        add_set(session, owner, "s1")
        add_representation(session, owner, "e1")
        add_run(session, owner, "r1")
    with pytest.raises(IntegrityError), store_workspace.session() as session:
        session.execute(insert(RunInputRow).values(run_id="r1", role="representation", **values))


def reading_each_other(session: Session) -> int:
    """r1 reads representation e1 of set s1, r2 reads r1, r3 reads r2; r4 reads the set's texts; r5 reads nothing."""
    owner = add_dataset(session, "shop")
    add_set(session, owner, "s1")
    add_representation(session, owner, "e1", "s1")
    add_representation(session, owner, "e2")
    add_run(session, owner, "r1", (RunInputRow.of("representation", "representation", "e1"),))
    teacher = RunInputRow.of("teacher", "run", "r1")
    add_run(session, owner, "r2", (RunInputRow.of("representation", "representation", "e2"), teacher))
    add_run(session, owner, "r3", (RunInputRow.of("teacher", "run", "r2"),))
    add_run(session, owner, "r4", (RunInputRow.of("profiles", "texts", "s1"),))
    add_run(session, owner, "r5")
    for run in ("r1", "r3", "r5"):
        session.add(RunEpochRow(run_id=run, epoch=1, losses={}, valid={}, seconds=1.0))
        save_metrics(session, run, METRICS)
    return owner


@pytest.mark.parametrize(
    ("deleted", "left"),
    [
        ("DELETE FROM representations WHERE id = 'e1'", ["r4", "r5"]),
        ("DELETE FROM representations WHERE id = 'e2'", ["r1", "r4", "r5"]),
        ("DELETE FROM text_sets WHERE id = 's1'", ["r5"]),
        ("DELETE FROM runs WHERE id = 'r2'", ["r1", "r4", "r5"]),
        ("DELETE FROM datasets", []),
    ],
)
def test_a_run_goes_with_what_it_reads(store_workspace: Workspace, deleted: str, left: list[str]) -> None:
    with store_workspace.session() as session:
        reading_each_other(session)
    with store_workspace.session() as session:
        session.execute(text(deleted))
    with store_workspace.reading() as session:
        assert sorted(session.scalars(select(RunRow.id))) == left
        assert set(session.scalars(select(RunInputRow.run_id))) == set(left) - {"r5"}
        assert set(session.scalars(select(RunEpochRow.run_id))) == {"r1", "r5"} & set(left)
        assert set(session.scalars(select(RunMetricRow.run_id))) == {"r1", "r5"} & set(left)


def test_the_table_of_results_is_one_query(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        shop, other = add_dataset(session, "shop"), add_dataset(session, "films")
        cells = [
            (shop, "a", {"seed": 2}),
            (shop, "b", {"seed": 1}),
            (shop, "floor", {"backbone": "", "method": "popularity", "loss": ""}),
            (shop, "unmeasured", {"backbone": "gru4rec"}),
            (shop, "failed", {"state": "failed"}),
            (other, "c", {}),
        ]
        for owner, name, values in cells:
            add_run(session, owner, name, **values)
            if name != "unmeasured":
                save_metrics(session, name, METRICS)
    with store_workspace.reading() as session, counted(store_workspace.engine) as statements:
        table = leaderboard_rows(session, ["NDCG@10", "HR@10"])
        assert len([statement for statement in statements if statement.startswith("SELECT")]) == 1
        numbers = {"NDCG@10": 0.2, "HR@10": 0.4}
        assert table == [
            LeaderboardRow("films", "c", "sasrec", "genair", "ce", 1, numbers),
            LeaderboardRow("shop", "floor", "", "popularity", "", 1, numbers),
            LeaderboardRow("shop", "unmeasured", "gru4rec", "genair", "ce", 1, {"NDCG@10": None, "HR@10": None}),
            LeaderboardRow("shop", "b", "sasrec", "genair", "ce", 1, numbers),
            LeaderboardRow("shop", "a", "sasrec", "genair", "ce", 2, numbers),
        ]
        assert list(table[0].metrics) == ["NDCG@10", "HR@10"]
        sampled = leaderboard_rows(session, ["HR@10"], ["films"], protocol="sampled100")
        assert [(row.run, row.metrics) for row in sampled] == [("c", {"HR@10": 0.75})]


def test_counts_and_the_best_run_of_every_data_set(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        shop, other = add_dataset(session, "shop"), add_dataset(session, "films")
        values = {"low": 0.1, "high": 0.3, "same": 0.3, "failed": 0.9}
        for name, value in values.items():
            add_run(session, shop, name, state="failed" if name == "failed" else "done")
            save_metrics(session, name, {"test": {"full": {"NDCG@10": value}, "sampled100": {"NDCG@10": 1 - value}}})
        add_run(session, other, "training", state="training")
    with store_workspace.reading() as session, counted(store_workspace.engine) as statements:
        assert count_runs(session) == {shop: {"done": 3, "failed": 1}, other: {"training": 1}}
        best = best_runs(session, "NDCG@10")
        assert best == {"shop": LeaderboardRow("shop", "high", "sasrec", "genair", "ce", 1, {"NDCG@10": 0.3})}
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 2


def test_a_page_of_runs(store_workspace: Workspace) -> None:
    with store_workspace.session() as session:
        owner = add_dataset(session, "shop")
        for number in range(5):
            add_run(session, owner, f"r{number}", state="done" if number % 2 else "failed")
    with store_workspace.reading() as session:
        names = [run.id for run in list_runs(session, owner)]
        assert names == sorted(names, reverse=True)
        assert [run.id for run in list_runs(session, owner, 2)] == names[:2]
        assert [run.id for run in list_runs(session, owner, names=["r4", "r0", "r9"])] == ["r4", "r0"]
        assert [run.id for run in list_runs(session, owner, states=("done",))] == ["r3", "r1"]
