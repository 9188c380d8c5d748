"""Items that no archetype could be written of, and the device that wrote one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archetype_failures",
        sa.Column("set_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("set_id", "position", name="pk_archetype_failures"),
        sa.ForeignKeyConstraint(["set_id"], ["archetype_sets.id"], name="fk_archetype_failures_set_id", ondelete="CASCADE"),
    )
    op.add_column("archetypes", sa.Column("device", sa.Text(), nullable=False, server_default=""))
