"""Archetype sets become sets of texts of any kind, about items, users or sessions; parts of representations become records.

Tables are renamed and not copied, as others refer to them; their constraints keep their names, which SQLite cannot change. A
part's record says what it reads: of a language model's states those over the prompt or the answer, of an encoder's vectors
the metadata, the archetype or the title.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = {"archetype_sets": "text_sets", "archetypes": "texts", "archetype_failures": "text_failures"}
OWN_STATES = {"prefill": "prompt", "decoding": "answer"}
EMBEDDED = {"prefill": "metadata", "decoding": "text", "title": "title"}


def upgrade() -> None:
    for old, new in TABLES.items():
        op.rename_table(old, new)
    op.add_column("text_sets", sa.Column("kind", sa.String(60), nullable=False, server_default="archetype"))
    op.add_column("text_sets", sa.Column("unit", sa.String(16), nullable=False, server_default="item"))
    op.drop_index("ix_representations_archetype_set_id", "representations")
    op.alter_column("representations", "archetype_set_id", new_column_name="text_set_id")
    op.create_index("ix_representations_text_set_id", "representations", ["text_set_id"])
    records = {name: _records(*row) for name, *row in op.get_bind().execute(_QUERY)}
    for column in ("parts", "dims", "explained"):
        op.drop_column("representations", column)
    op.add_column("representations", sa.Column("parts", sa.JSON(), nullable=False, server_default="[]"))
    table = sa.table("representations", sa.column("id", sa.String()), sa.column("parts", sa.JSON()))
    for name, parts in records.items():
        op.execute(sa.update(table).where(table.c.id == name).values(parts=parts))


_QUERY = sa.text(
    "SELECT r.id, r.model, r.revision, r.dims, r.explained, s.id, s.model, s.sampling "
    "FROM representations r LEFT JOIN text_sets s ON s.id = r.text_set_id"
)


def _records(
    model: str, revision: str, dims: Any, explained: Any, text_set: str | None, writer: str | None, sampling: Any
) -> list[dict[str, Any]]:
    """The parts of a representation of then. writer: of the text set; JSON comes as text from SQLite."""
    held = _value(explained)
    own = writer is not None and _value(sampling).get("reader", writer) == model
    reads = OWN_STATES if own else EMBEDDED
    return [
        {
            "name": name,
            "unit": "item",
            "columns": columns,
            "explained": held[name],
            "reads": reads[name],
            "model": model,
            "revision": revision,
            "text_set": None if reads[name] in ("metadata", "title") else text_set,
        }
        for name, columns in _value(dims).items()
    ]


def _value(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored
