"""The kinds of text, a line each."""

from __future__ import annotations

from genair_engine.archetypes.prompts import archetype
from genair_engine.archetypes.prompts.kind import TextKind
from genair_engine.errors import NotFoundError

KINDS: dict[str, TextKind] = {kind.name: kind for kind in (archetype.KIND,)}


def find_kind(name: str) -> TextKind:
    """The kind of that name. Raises NotFoundError with the names that there are."""
    if name not in KINDS:
        raise NotFoundError("kind of text", name, KINDS, "A kind is a file in archetypes/prompts and a line in its registry.")
    return KINDS[name]


def kinds_in_words() -> str:
    """All kinds with what they are for, as the help of an option lists them."""
    return "; ".join(f"{kind.name} ({kind.unit}: {kind.purpose})" for kind in KINDS.values())
