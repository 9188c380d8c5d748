"""Jobs and the workers that run them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
LIVE = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.create_table(
        "workers",
        column("id", sa.String(100)),
        column("host", sa.Text()),
        column("pid", sa.Integer()),
        column("executor", sa.String(16)),
        column("slots", sa.Integer()),
        column("devices", sa.JSON()),
        column("started_at", MOMENT),
        column("heartbeat_at", MOMENT),
        column("lease_until", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_table(
        "jobs",
        column("id", sa.String(32)),
        column("kind", sa.String(16)),
        column("title", sa.Text()),
        column("dataset", sa.Text(), nullable=True),
        column("config", sa.JSON()),
        column("key", sa.String(64)),
        column("state", sa.String(16)),
        column("cancel_requested", sa.Boolean()),
        column("gpus", sa.Integer(), nullable=True),
        column("gpu", sa.Integer(), nullable=True),
        column("min_free_mb", sa.Integer()),
        column("devices", sa.JSON()),
        column("attempts", sa.Integer()),
        column("max_attempts", sa.Integer()),
        column("worker_id", sa.String(100), nullable=True),
        column("lease_until", MOMENT, nullable=True),
        column("done", sa.Integer()),
        column("total", sa.Integer()),
        column("what", sa.Text()),
        column("result", sa.JSON(), nullable=True),
        column("error", sa.Text(), nullable=True),
        column("usage", sa.JSON()),
        column("estimate", sa.JSON(), nullable=True),
        column("log", sa.Text()),
        column("created_at", MOMENT),
        column("started_at", MOMENT, nullable=True),
        column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="ck_jobs_state"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "created_at"])
    op.create_index("ix_jobs_worker_id", "jobs", ["worker_id"])
    op.create_index("uq_jobs_live_key", "jobs", ["key"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)
    for table in ("datasets", "representations", "runs"):
        op.add_column(table, sa.Column("job_id", sa.String(32), nullable=True))
    for table in ("representations", "runs"):
        op.create_index(f"ix_{table}_job_id", table, ["job_id"])


def column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=options.pop("nullable", False), **options)
