"""Which stage of its training an epoch belongs to; of runs so far, the only one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run_epochs", sa.Column("stage", sa.String(length=40), nullable=False, server_default="main"))
