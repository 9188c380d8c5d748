"""What pages read of a workspace: as many queries and rows for a thousand runs as for one."""

from __future__ import annotations

import pytest

from genair_engine import verbs
from genair_engine.errors import NotFoundError
from genair_engine.store.metrics import save_metrics
from genair_engine.workspace import Workspace
from tests.store.test_run_rows import METRICS, add_dataset, add_representation, add_run, counted


def filled(workspace: Workspace, runs: int) -> None:
    """Runs of two data sets, the newest ones last by name, each with metrics; some that have not finished."""
    with workspace.session() as session:
        for dataset in ("shop", "films"):
            owner = add_dataset(session, dataset)
            add_representation(session, owner, f"e-{dataset}")
            for number in range(runs):
                state = "done" if number % 3 else "failed"
                name = f"{dataset}-{number:04}"
                add_run(session, owner, name, state=state, seed=number, protocol={"negatives": 100})
                save_metrics(session, name, METRICS | {"test": METRICS["test"] | {"full": {"NDCG@10": number / 1000}}})


@pytest.mark.parametrize("runs", [2, 40])
def test_a_draw_counts_runs_and_loads_none(store_workspace: Workspace, runs: int) -> None:
    filled(store_workspace, runs)
    with counted(store_workspace.engine) as statements:
        films, shop = verbs.workspace_state(store_workspace).datasets
    queries = [statement for statement in statements if statement.lstrip().startswith("SELECT")]
    assert len(queries) == 3 + 2 * 2  # data sets, counts, best runs; and the sets and representations of each data set
    assert not any("runs.config" in query for query in queries)
    assert (films.dataset, shop.dataset) == ("films", "shop")
    failed = len(range(0, runs, 3))
    assert shop.runs == {"done": runs - failed, "failed": failed} and shop.ready_runs == runs - failed
    best = max(number for number in range(runs) if number % 3)
    assert shop.best is not None and (shop.best.run, shop.best.quality) == (f"shop-{best:04}", best / 1000)


@pytest.mark.parametrize("runs", [5, 40])
def test_a_page_of_runs_loads_no_more_than_it_shows(store_workspace: Workspace, runs: int) -> None:
    filled(store_workspace, runs)
    with counted(store_workspace.engine) as statements:
        newest = verbs.runs_of(store_workspace, "shop", 2, ["done"])
    assert len([statement for statement in statements if statement.lstrip().startswith("SELECT")]) == 4
    done = [f"shop-{number:04}" for number in range(runs) if number % 3]
    assert [run.run for run in newest] == done[::-1][:2]
    assert newest[0].metrics["test"].keys() == {"full", "sampled100", "beyond"}  # groups of users are asked for a run alone


def test_runs_by_name_and_of_an_unknown_data_set(store_workspace: Workspace) -> None:
    filled(store_workspace, 5)
    assert [run.run for run in verbs.runs_of(store_workspace, "shop", names=["shop-0001", "films-0001"])] == ["shop-0001"]
    with pytest.raises(NotFoundError, match="shops"):
        verbs.runs_of(store_workspace, "shops")
