"""What a run's model costs in inference."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("efficiency", sa.JSON(), nullable=False, server_default="{}"))
