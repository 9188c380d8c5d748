"""Alembic's entry point: runs the migrations on the connection that `store.database.upgrade` hands over.

The caller holds the transaction and the lock. Every migration is written by hand, for SQLite and PostgreSQL, in the
shape of script.py.mako; tests/store compares the result with the tables.
"""

from __future__ import annotations

from alembic import context

from genair_engine.store.database import VERSION_TABLE
from genair_engine.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
