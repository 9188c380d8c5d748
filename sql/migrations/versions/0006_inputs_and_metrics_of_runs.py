"""What runs read and what was measured of them become rows; a run's configuration and key cover what it reads only.

A run goes with what it reads: a trigger takes it when the foreign key of one of its inputs takes that row. SQLite cannot drop
a column that has a foreign key, so that `runs` is made anew there, and what refers to it is kept aside meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

RUNS = (
    "id, dataset_id, job_id, backbone, method, loss, seed, config, config_key, state, error, trainable_parameters, "
    "epochs_done, best_epoch, seconds_per_epoch, peak_memory_mb, device, protocol, efficiency, code_version, folder, "
    "created_at, updated_at"
)
EPOCHS = "run_id, epoch, losses, valid, seconds"

ONE_INPUT = (
    "(CASE WHEN representation_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN text_set_id IS NULL THEN 0 ELSE 1 END) "
    "+ (CASE WHEN source_run_id IS NULL THEN 0 ELSE 1 END) = 1"
)

SQLITE_TRIGGER = """
    CREATE TRIGGER run_goes_with_its_input AFTER DELETE ON run_inputs BEGIN
        DELETE FROM runs WHERE id = old.run_id;
    END
"""
POSTGRESQL_TRIGGER = (
    """
    CREATE FUNCTION run_goes_with_its_input() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM runs WHERE id = OLD.run_id;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER run_goes_with_its_input AFTER DELETE ON run_inputs
    FOR EACH ROW EXECUTE FUNCTION run_goes_with_its_input()
    """,
)


def upgrade() -> None:
    old = sa.table(
        "runs",
        *(sa.column(name) for name in ("id", "dataset_id", "representation_id", "backbone", "method", "loss")),
        *(sa.column(name) for name in ("device", "code_version")),
        *(sa.column(name, sa.JSON()) for name in ("config", "metrics")),
    )
    datasets = sa.table("datasets", sa.column("id"), sa.column("content_hash"))
    query = sa.select(old, datasets.c.content_hash).join(datasets, datasets.c.id == old.c.dataset_id)
    runs = [row._asdict() for row in op.get_bind().execute(query)]
    sqlite = op.get_bind().dialect.name == "sqlite"
    if sqlite:
        make_runs_anew()
    else:
        op.drop_column("runs", "representation_id")
        op.drop_column("runs", "metrics")
    create_inputs()
    create_metrics()
    fill(runs)
    for statement in (SQLITE_TRIGGER,) if sqlite else POSTGRESQL_TRIGGER:
        op.execute(statement)


def make_runs_anew() -> None:
    """The table without two of its columns. Dropping the old one takes the epochs along, by their foreign key."""
    op.execute(f"CREATE TEMPORARY TABLE kept_runs AS SELECT {RUNS} FROM runs")
    op.execute(f"CREATE TEMPORARY TABLE kept_epochs AS SELECT {EPOCHS} FROM run_epochs")
    op.drop_table("runs")
    op.create_table(
        "runs",
        column("id", sa.String(32)),
        reference("runs", "dataset_id", sa.Integer(), "datasets.id", nullable=False),
        column("job_id", sa.String(32), nullable=True),
        column("backbone", sa.Text()),
        column("method", sa.Text()),
        column("loss", sa.Text()),
        column("seed", sa.BigInteger()),
        column("config", sa.JSON()),
        column("config_key", sa.String(64)),
        column("state", sa.String(16)),
        column("error", sa.Text(), nullable=True),
        column("trainable_parameters", sa.Integer(), nullable=True),
        column("epochs_done", sa.Integer()),
        column("best_epoch", sa.Integer(), nullable=True),
        column("seconds_per_epoch", sa.Float(), nullable=True),
        column("peak_memory_mb", sa.Float(), nullable=True),
        column("device", sa.Text()),
        column("protocol", sa.JSON()),
        column("efficiency", sa.JSON(), server_default="{}"),
        column("code_version", sa.Text()),
        column("folder", sa.Text()),
        column("created_at", sa.DateTime(timezone=True)),
        column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.CheckConstraint("state IN ('training', 'done', 'failed', 'stopped')", name=op.f("ck_runs_state")),
    )
    for looked_up in ("dataset_id", "job_id", "config_key"):
        op.create_index(f"ix_runs_{looked_up}", "runs", [looked_up])
    op.execute(f"INSERT INTO runs ({RUNS}) SELECT {RUNS} FROM kept_runs")
    op.execute(f"INSERT INTO run_epochs ({EPOCHS}) SELECT {EPOCHS} FROM kept_epochs")
    op.execute("DROP TABLE kept_runs")
    op.execute("DROP TABLE kept_epochs")


def create_inputs() -> None:
    op.create_table(
        "run_inputs",
        reference("run_inputs", "run_id", sa.String(32), "runs.id", nullable=False),
        column("role", sa.String(40)),
        reference("run_inputs", "representation_id", sa.String(32), "representations.id"),
        reference("run_inputs", "text_set_id", sa.String(32), "archetype_sets.id"),
        reference("run_inputs", "source_run_id", sa.String(32), "runs.id"),
        sa.PrimaryKeyConstraint("run_id", "role", name="pk_run_inputs"),
        sa.CheckConstraint(ONE_INPUT, name=op.f("ck_run_inputs_one_input")),
    )
    for looked_up in ("representation_id", "text_set_id", "source_run_id"):
        op.create_index(f"ix_run_inputs_{looked_up}", "run_inputs", [looked_up])


def create_metrics() -> None:
    op.create_table(
        "run_metrics",
        reference("run_metrics", "run_id", sa.String(32), "runs.id", nullable=False),
        column("part", sa.String(16)),
        column("protocol", sa.String(32)),
        column("grouping", sa.String(40)),
        column("members", sa.String(100)),
        column("metric", sa.String(40)),
        column("value", sa.Float()),
        column("place", sa.Integer()),
        sa.PrimaryKeyConstraint("run_id", "part", "protocol", "grouping", "members", "metric", name="pk_run_metrics"),
    )


def fill(runs: list[dict[str, Any]]) -> None:
    """Rows of what runs read and what was measured of them; configurations without what is not read."""
    runs_table = sa.table("runs", sa.column("id"), sa.column("config", sa.JSON()), sa.column("config_key"))
    inputs = sa.table("run_inputs", *(sa.column(name) for name in ("run_id", "role", "representation_id")))
    names = ("run_id", "part", "protocol", "grouping", "members", "metric", "value", "place")
    metrics = sa.table("run_metrics", *(sa.column(name) for name in names))
    connection = op.get_bind()
    for run in runs:
        config = read_only(run["config"], run["backbone"], run["method"], run["loss"])
        changed = {"config": config, "config_key": key(run, config)}
        connection.execute(runs_table.update().where(runs_table.c.id == run["id"]).values(**changed))
        if run["representation_id"] is not None:
            row = {"run_id": run["id"], "role": "representation", "representation_id": run["representation_id"]}
            connection.execute(inputs.insert(), row)
        rows = [
            dict(zip(names, (run["id"], *path, float(value), place), strict=True))
            for place, (path, value) in enumerate(flat(run["metrics"] or {}))
        ]
        if rows:
            connection.execute(metrics.insert(), rows)


def flat(metrics: dict[str, dict[str, Any]]) -> Iterator[tuple[tuple[str, ...], float]]:
    """The numbers of {part: {protocol: {metric: value}, "groups": {grouping: {protocol: {members: …}}}, "beyond": {…}}}."""
    for part, measured in metrics.items():
        for name, values in measured.items():
            if name == "groups":
                for grouping, protocols in values.items():
                    for protocol, groups in protocols.items():
                        for members, numbers in groups.items():
                            yield from (((part, protocol, grouping, members, metric), numbers[metric]) for metric in numbers)
            else:
                protocol = "" if name == "beyond" else name
                yield from (((part, protocol, "", "", metric), values[metric]) for metric in values)


def read_only(config: dict[str, Any], backbone: str, method: str, loss: str) -> dict[str, Any]:
    """A configuration of code up to here, with the fields that its backbone, method and loss read.

    Early runs that calibrated any number of items a step say so with calibration_items null: today the most is said.
    """
    represented, calibrated = method != "id", method in ("genair", "genair-id")
    calibrates = calibrated and config.get("alpha", 0.1) > 0
    by_kernel = calibrates and config.get("kernel", "exp") == "exp"
    read = {
        "without": represented,
        "scaling": represented,
        "projector_dropout": calibrated,
        "residual_decay": method == "genair-id" or config.get("shortcut", False),
        "heads": backbone != "gru4rec",
        "public_code_attention": backbone != "gru4rec",
        "shortcut": backbone != "bert4rec",
        "targets": backbone != "bert4rec",
        "mask_probability": backbone == "bert4rec",
        "exclude_seen": loss == "ce",
        "negatives": loss == "sampled",
        "alpha": calibrated,
        "gamma": calibrates,
        "kernel": calibrates,
        "window": calibrates,
        "count_once": calibrates,
        "t": by_kernel,
        "calibration_items": by_kernel,
    }
    kept = {name: value for name, value in config.items() if read.get(name, True)}
    if kept.get("calibration_items", 0) is None:
        kept["calibration_items"] = 65_536
    return kept


def key(run: dict[str, Any], config: dict[str, Any]) -> str:
    """What must be equal for two runs to come out equal, of what is read: a run that has finished or stopped stays known."""
    inputs = [] if run["representation_id"] is None else [["representation", run["representation_id"]]]
    read = {name: value for name, value in config.items() if name != "preset"}
    decides = [run["content_hash"], inputs, read, run["device"], run["code_version"]]
    text = json.dumps(decides, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def reference(table: str, name: str, kind: Any, target: str, nullable: bool = True) -> sa.Column[Any]:
    key = sa.ForeignKey(target, name=f"fk_{table}_{name}", ondelete="CASCADE")
    return sa.Column(name, kind, key, nullable=nullable)


def column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=options.pop("nullable", False), **options)
