"""Saved prompt templates in the database. Functions leave the transaction to the caller."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from genair_engine.store.tables import PromptTemplateRow


def list_templates(session: Session) -> Sequence[PromptTemplateRow]:
    """All versions of all saved templates, by name, newest first."""
    return session.scalars(
        select(PromptTemplateRow).order_by(
            PromptTemplateRow.name, PromptTemplateRow.created_at.desc(), PromptTemplateRow.version
        )
    ).all()


def find_template(session: Session, name: str) -> PromptTemplateRow | None:
    """The saved template of that version, or the newest of that name."""
    return session.scalars(
        select(PromptTemplateRow)
        .where(or_(PromptTemplateRow.version == name, PromptTemplateRow.name == name))
        .order_by(PromptTemplateRow.created_at.desc(), PromptTemplateRow.version)
        .limit(1)
    ).first()
