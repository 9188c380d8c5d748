"""Datasets, items with full-text search, archetypes, representations and runs.

The search index follows the items by itself: on SQLite an FTS5 table over a view of items (its rowid is computed from
the primary key, so that VACUUM cannot change it), kept by triggers; on PostgreSQL a generated tsvector column. Both
index words that `genair_engine.store.words` has already normalised.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SORTABLE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

SQLITE_SEARCH = (
    """
    CREATE VIEW item_search_source AS
    SELECT dataset_id * 4294967296 + position AS id, title_words AS title, other_words AS other FROM items
    """,
    """
    CREATE VIRTUAL TABLE item_search USING fts5(
        title, other, content = 'item_search_source', content_rowid = 'id',
        tokenize = 'unicode61 remove_diacritics 0'
    )
    """,
    """
    CREATE TRIGGER item_search_insert AFTER INSERT ON items BEGIN
        INSERT INTO item_search (rowid, title, other)
        VALUES (new.dataset_id * 4294967296 + new.position, new.title_words, new.other_words);
    END
    """,
    """
    CREATE TRIGGER item_search_delete AFTER DELETE ON items BEGIN
        INSERT INTO item_search (item_search, rowid, title, other)
        VALUES ('delete', old.dataset_id * 4294967296 + old.position, old.title_words, old.other_words);
    END
    """,
    """
    CREATE TRIGGER item_search_update AFTER UPDATE OF dataset_id, position, title_words, other_words ON items BEGIN
        INSERT INTO item_search (item_search, rowid, title, other)
        VALUES ('delete', old.dataset_id * 4294967296 + old.position, old.title_words, old.other_words);
        INSERT INTO item_search (rowid, title, other)
        VALUES (new.dataset_id * 4294967296 + new.position, new.title_words, new.other_words);
    END
    """,
)

POSTGRESQL_SEARCH = (
    """
    ALTER TABLE items ADD COLUMN item_search tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('simple', title_words), 'A') || setweight(to_tsvector('simple', other_words), 'D')
    ) STORED
    """,
    "CREATE INDEX item_search_gin ON items USING gin (item_search)",
)


def upgrade() -> None:
    create_datasets()
    create_items()
    create_archetypes()
    create_representations()
    create_runs()
    for statement in SQLITE_SEARCH if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_SEARCH:
        op.execute(statement)


def column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=options.pop("nullable", False), **options)


def reference(table: str, name: str, kind: Any, target: str, nullable: bool = False) -> sa.Column[Any]:
    key = sa.ForeignKey(target, name=f"fk_{table}_{name}", ondelete="CASCADE")
    return sa.Column(name, kind, key, nullable=nullable)


def create_datasets() -> None:
    op.create_table(
        "datasets",
        column("id", sa.Integer()),
        column("name", sa.String(100)),
        column("format", sa.Text()),
        column("created_at", sa.DateTime(timezone=True)),
        column("content_hash", sa.String(64)),
        column("n_users", sa.Integer()),
        column("n_items", sa.Integer()),
        column("n_interactions", sa.Integer()),
        column("n_rejected", sa.Integer()),
        column("provenance", sa.JSON()),
        column("folder", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("name", name="uq_datasets_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rejections",
        column("id", sa.Integer()),
        reference("rejections", "dataset_id", sa.Integer(), "datasets.id"),
        column("file", sa.Text()),
        column("line", sa.Integer(), nullable=True),
        column("reason", sa.Text()),
        column("record", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_rejections"),
    )
    op.create_index("ix_rejections_dataset_id", "rejections", ["dataset_id"])


def create_items() -> None:
    op.create_table(
        "items",
        reference("items", "dataset_id", sa.Integer(), "datasets.id"),
        column("position", sa.Integer(), autoincrement=False),
        column("item_id", sa.String(500)),
        column("popularity", sa.Integer()),
        column("popularity_group", sa.Integer()),
        column("title", sa.Text()),
        column("brand", sa.String(500)),
        column("categories", sa.Text()),
        column("description", sa.Text()),
        column("attributes", sa.JSON()),
        column("title_words", SORTABLE),
        column("other_words", sa.Text()),
        sa.PrimaryKeyConstraint("dataset_id", "position", name="pk_items"),
        sa.UniqueConstraint("dataset_id", "item_id", name="uq_items_dataset_id_item_id"),
        sa.CheckConstraint("popularity_group BETWEEN 1 AND 5", name=op.f("ck_items_popularity_group")),
    )
    for sorted_by in ("brand", "popularity", "popularity_group"):
        op.create_index(f"ix_items_dataset_id_{sorted_by}", "items", ["dataset_id", sorted_by])
    op.create_index("ix_items_facets", "items", ["dataset_id", "position", "brand", "popularity_group", "popularity"])
    op.create_table(
        "item_categories",
        column("dataset_id", sa.Integer(), autoincrement=False),
        column("position", sa.Integer(), autoincrement=False),
        column("category", sa.String(500)),
        sa.PrimaryKeyConstraint("dataset_id", "position", "category", name="pk_item_categories"),
        sa.ForeignKeyConstraint(
            ["dataset_id", "position"],
            ["items.dataset_id", "items.position"],
            name="fk_item_categories_dataset_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_item_categories_dataset_id_category_position", "item_categories", ["dataset_id", "category", "position"]
    )


def create_archetypes() -> None:
    op.create_table(
        "archetype_sets",
        column("id", sa.String(32)),
        reference("archetype_sets", "dataset_id", sa.Integer(), "datasets.id"),
        column("key", sa.String(64)),
        column("model", sa.Text()),
        column("revision", sa.Text()),
        column("backend", sa.Text()),
        column("prompt_version", sa.Text()),
        column("prompt", sa.JSON()),
        column("sampling", sa.JSON()),
        column("seed", sa.BigInteger()),
        column("dim", sa.Integer()),
        column("code_version", sa.Text()),
        column("created_at", sa.DateTime(timezone=True)),
        column("folder", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_archetype_sets"),
        sa.UniqueConstraint("dataset_id", "key", name="uq_archetype_sets_dataset_id_key"),
    )
    op.create_table(
        "archetypes",
        column("id", sa.Integer()),
        reference("archetypes", "set_id", sa.String(32), "archetype_sets.id"),
        column("position", sa.Integer()),
        column("text", sa.Text()),
        column("prompt_tokens", sa.Integer()),
        column("generated_tokens", sa.Integer()),
        column("finish", sa.Text()),
        column("seconds", sa.Float()),
        column("created_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_archetypes"),
        sa.UniqueConstraint("set_id", "position", name="uq_archetypes_set_id_position"),
        sa.CheckConstraint("finish IN ('eos', 'length')", name=op.f("ck_archetypes_finish")),
    )


def create_representations() -> None:
    op.create_table(
        "representations",
        column("id", sa.String(32)),
        reference("representations", "dataset_id", sa.Integer(), "datasets.id"),
        reference("representations", "archetype_set_id", sa.String(32), "archetype_sets.id", nullable=True),
        column("model", sa.Text()),
        column("revision", sa.Text()),
        column("parts", sa.Text()),
        column("variance", sa.Float(), nullable=True),
        column("dims", sa.JSON()),
        column("explained", sa.JSON()),
        column("provenance", sa.JSON()),
        column("folder", sa.Text()),
        column("created_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_representations"),
    )
    for looked_up in ("dataset_id", "archetype_set_id"):
        op.create_index(f"ix_representations_{looked_up}", "representations", [looked_up])


def create_runs() -> None:
    op.create_table(
        "runs",
        column("id", sa.String(32)),
        reference("runs", "dataset_id", sa.Integer(), "datasets.id"),
        reference("runs", "representation_id", sa.String(32), "representations.id", nullable=True),
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
        column("metrics", sa.JSON()),
        column("code_version", sa.Text()),
        column("folder", sa.Text()),
        column("created_at", sa.DateTime(timezone=True)),
        column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.CheckConstraint("state IN ('training', 'done', 'failed', 'stopped')", name=op.f("ck_runs_state")),
    )
    for looked_up in ("dataset_id", "representation_id", "config_key"):
        op.create_index(f"ix_runs_{looked_up}", "runs", [looked_up])
    op.create_table(
        "run_epochs",
        reference("run_epochs", "run_id", sa.String(32), "runs.id"),
        column("epoch", sa.Integer(), autoincrement=False),
        column("losses", sa.JSON()),
        column("valid", sa.JSON()),
        column("seconds", sa.Float()),
        sa.PrimaryKeyConstraint("run_id", "epoch", name="pk_run_epochs"),
    )
