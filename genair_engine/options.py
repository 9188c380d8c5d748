"""Typed options: the base of what backbones, methods, losses, floors, readers and the training can be told.

A field's type, range, description (with its unit in brackets) and default are declared once; the command line, the form, the
stored configuration and the documentation follow from the declaration.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of all typed options: immutable, described, and nothing undeclared is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def unread(self) -> set[str]:
        """Fields without effect, given the others: another value there gives the same result."""
        return set()

    def departures(self) -> list[str]:
        """Where these values are not what the source of the component describes, in words."""
        return []
