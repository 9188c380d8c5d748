"""The kinds of text: each is the `KIND` of a file in this folder, which `FILES` names in a line."""

from __future__ import annotations

from importlib import import_module

from genair_engine.archetypes.prompts.kind import TextKind
from genair_engine.errors import NotFoundError

FILES = [
    "archetype",
]

TEXT_KINDS: dict[str, TextKind] = {kind.name: kind for kind in (import_module(f"{__package__}.{name}").KIND for name in FILES)}


def find_kind(name: str) -> TextKind:
    """The kind of that name. Raises NotFoundError with the names that there are."""
    if name not in TEXT_KINDS:
        raise NotFoundError("kind of text", name, TEXT_KINDS)
    return TEXT_KINDS[name]


def kinds_in_words() -> str:
    """All kinds with what they are for, as the help of an option lists them."""
    return "; ".join(f"{kind.name} ({kind.unit}: {kind.purpose})" for kind in TEXT_KINDS.values())
