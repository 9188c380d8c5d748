"""Runs of schema 0005 keep everything when what they read and what was measured become rows, on both back-ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from genair_engine.settings import Settings
from genair_engine.store import database
from genair_engine.store.keys import content_key
from genair_engine.store.metrics import load_metrics
from genair_engine.store.runs import find_run
from genair_engine.store.tables import RunEpochRow, RunMetricRow
from genair_engine.workspace import Workspace
from tests.store.test_run_rows import METRICS

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
GENAIR = {
    "backbone": "sasrec",
    "method": "genair",
    "loss": "ce",
    "preset": "corrected",
    "without": None,
    "scaling": "none",
    "dim": 8,
    "heads": 1,
    "projector_dropout": 0.0,
    "shortcut": False,
    "public_code_attention": False,
    "exclude_seen": False,
    "targets": "all",
    "alpha": 0.1,
    "gamma": 3.0,
    "t": 2.0,
    "kernel": "exp",
    "window": None,
    "count_once": False,
    "calibration_items": 4096,
    "seed": 42,
}
UNREAD = {"negatives": 1024, "mask_probability": 0.6, "residual_decay": 0.0}
"""What genair on sasrec with loss ce does not read."""
CALIBRATION = ("alpha", "gamma", "t", "kernel", "window", "count_once", "calibration_items")
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "genair": (GENAIR | UNREAD, GENAIR),
    "early": (GENAIR | {"calibration_items": None}, GENAIR | {"calibration_items": 65_536}),
    "unknown": (GENAIR | {"forgotten": 3}, GENAIR | {"forgotten": 3}),
    "linear": (
        GENAIR | {"kernel": "linear"},
        {name: value for name, value in GENAIR.items() if name not in ("t", "calibration_items")} | {"kernel": "linear"},
    ),
    "uncalibrated": (
        GENAIR | {"alpha": 0.0},
        {name: value for name, value in GENAIR.items() if name not in CALIBRATION} | {"alpha": 0.0},
    ),
    "id": (
        GENAIR | UNREAD | {"backbone": "bert4rec", "method": "id", "loss": "sampled"},
        {"backbone": "bert4rec", "method": "id", "loss": "sampled", "preset": "corrected", "dim": 8, "heads": 1}
        | {"public_code_attention": False, "negatives": 1024, "mask_probability": 0.6, "seed": 42},
    ),
    "shortcut": (GENAIR | {"shortcut": True, "residual_decay": 2.0}, GENAIR | {"shortcut": True, "residual_decay": 2.0}),
}
"""Configuration as it was → as it is."""


def insert(connection: sa.Connection, table: str, **values: Any) -> None:
    kinds = {dict: sa.JSON(), datetime: sa.DateTime(timezone=True)}
    columns = [sa.column(name, kinds.get(type(value))) for name, value in values.items()]
    connection.execute(sa.table(table, *columns).insert().values(**values))


def as_schema_0005_left_it(url: str) -> None:
    """A data set with a representation, and a run for each case that reads it; all but the first unmeasured."""
    engine = database.connect(url)
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        numbers = dict.fromkeys(("n_users", "n_items", "n_interactions", "n_rejected"), 0)
        texts = {"name": "shop", "format": "", "content_hash": "hash", "folder": ""}
        insert(connection, "datasets", id=1, provenance={}, created_at=NOON, **numbers, **texts)
        filled = {"dims": {}, "explained": {}, "provenance": {}, "created_at": NOON}
        texts = dict.fromkeys(("model", "revision", "parts", "folder"), "")
        insert(connection, "representations", id="e1", dataset_id=1, **filled, **texts)
        for seed, (name, (stored, _)) in enumerate(CASES.items()):
            insert(
                connection,
                "runs",
                id=name,
                dataset_id=1,
                representation_id=None if name == "id" else "e1",
                job_id="job",
                **{part: stored[part] for part in ("backbone", "method", "loss")},
                seed=seed,
                config=stored,
                config_key=f"key {name}",
                state="done",
                epochs_done=2,
                best_epoch=1,
                device="cpu",
                protocol={"negatives": 100},
                metrics=METRICS if name == "genair" else {},
                efficiency={"session": 7},
                code_version="0.1.0",
                folder=f"runs/{name}",
                created_at=NOON,
                updated_at=NOON,
            )
            insert(connection, "run_epochs", run_id=name, epoch=1, losses={"total": 1.5}, valid={}, seconds=0.5)
    engine.dispose()


@pytest.fixture
def upgraded(store_url: str, tmp_path: Path) -> Iterator[Workspace]:
    as_schema_0005_left_it(store_url)
    workspace = Workspace.open(Settings(workspace=tmp_path / "workspace", database_url=store_url))
    yield workspace
    workspace.close()


def test_runs_keep_what_they_read_and_what_was_measured(upgraded: Workspace) -> None:
    with upgraded.reading() as session:
        for seed, (name, (_, config)) in enumerate(CASES.items()):
            run, owner = find_run(session, name)
            assert run.config == config, name
            assert (owner.name, run.representation_id) == ("shop", None if name == "id" else "e1")
            assert (run.seed, run.state, run.epochs_done, run.best_epoch) == (seed, "done", 2, 1)
            inputs = [] if name == "id" else [["representation", "e1"]]
            read = {option: value for option, value in config.items() if option != "preset"}
            assert run.config_key == content_key(["hash", inputs, read, "cpu", "0.1.0"])
            assert (run.job_id, run.protocol, run.efficiency) == ("job", {"negatives": 100}, {"session": 7})
            assert (run.created_at, run.updated_at, run.error, run.trainable_parameters) == (NOON, NOON, None, None)
            epoch = session.get_one(RunEpochRow, (name, 1))
            assert (epoch.losses, epoch.valid, epoch.seconds) == ({"total": 1.5}, {}, 0.5)
        metrics = load_metrics(session, list(CASES))
    assert repr(metrics["genair"]) == repr(METRICS)
    assert [metrics[name] for name in CASES if name != "genair"] == [{}] * (len(CASES) - 1)


def test_runs_of_before_still_go_with_what_they_read(upgraded: Workspace) -> None:
    with upgraded.session() as session:
        session.execute(sa.text("DELETE FROM representations"))
    with upgraded.reading() as session:
        assert find_run(session, "id")[0].inputs == []
        assert session.scalars(sa.text("SELECT id FROM runs")).all() == ["id"]
        assert session.scalars(sa.select(RunMetricRow.run_id)).all() == []
        assert session.scalars(sa.select(RunEpochRow.run_id)).all() == ["id"]
    with upgraded.session() as session:
        session.execute(sa.text("DELETE FROM datasets"))
    with upgraded.reading() as session:
        assert session.scalars(sa.text("SELECT id FROM runs")).all() == []
