"""Scorecards of archetype sets, votes on archetypes, pinned archetypes, and prompt templates."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "scorecards",
        column("set_id", sa.String(32)),
        column("version", sa.Integer()),
        column("texts", sa.Integer()),
        column("last_text", sa.Integer()),
        column("behaviour", sa.JSON(none_as_null=True)),
        column("file", sa.Text()),
        column("created_at", MOMENT),
        sa.PrimaryKeyConstraint("set_id", name="pk_scorecards"),
        of_set("scorecards"),
    )
    op.create_table(
        "votes",
        column("id", sa.Integer()),
        column("dataset_id", sa.Integer()),
        column("position", sa.Integer()),
        column("sets", sa.JSON()),
        column("winner", sa.String(32), nullable=True),
        column("up", sa.JSON()),
        column("down", sa.JSON()),
        column("blind", sa.Boolean()),
        column("reason", sa.Text()),
        column("who", sa.String(100), nullable=True),
        column("created_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_votes"),
        of_item("votes"),
    )
    op.create_index("ix_votes_dataset_id_position", "votes", ["dataset_id", "position"])
    op.create_table(
        "pins",
        column("dataset_id", sa.Integer()),
        column("position", sa.Integer()),
        column("set_id", sa.String(32)),
        column("who", sa.String(100), nullable=True),
        column("created_at", MOMENT),
        sa.PrimaryKeyConstraint("dataset_id", "position", name="pk_pins"),
        of_item("pins"),
        of_set("pins"),
    )
    op.create_index("ix_pins_set_id", "pins", ["set_id"])
    op.create_table(
        "prompt_templates",
        column("version", sa.String(80)),
        column("name", sa.String(60)),
        column("instruction", sa.Text()),
        column("attribute", sa.Text()),
        column("question", sa.Text()),
        column("noun", sa.Text()),
        column("created_at", MOMENT),
        sa.PrimaryKeyConstraint("version", name="pk_prompt_templates"),
    )
    op.create_index("ix_prompt_templates_name", "prompt_templates", ["name"])


def of_set(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["set_id"], ["archetype_sets.id"], name=f"fk_{table}_set_id_archetype_sets", ondelete="CASCADE"
    )


def of_item(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["dataset_id", "position"],
        ["items.dataset_id", "items.position"],
        name=f"fk_{table}_dataset_id_items",
        ondelete="CASCADE",
    )


def column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=options.pop("nullable", False), **options)
