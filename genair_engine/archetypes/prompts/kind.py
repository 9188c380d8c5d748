"""What a kind of text is, and the checks that answers of any kind must pass.

A kind says what its texts are about (an item, a user or a session), how a language model is asked for one, and which answers
are no such text. An answer that fails its check is kept as a failed item with the reason, so that nothing is trained on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from genair_engine.archetypes.prompts.template import PromptTemplate

Unit = Literal["item", "user", "session"]
"""What a text or a vector is about."""
Check = Callable[[str], str | None]
"""From an answer to what is wrong with it, as the end of a sentence ("is empty"), or None."""
LONGEST_TEXT = 100_000
"""Characters of one text."""


@dataclass(frozen=True)
class TextKind:
    """name: as people write it (`generate --kind NAME`). unit: what each text is about. purpose: what the texts are for, in a
    few words. template: the prompt where no other is named. check: which answers are no such text.
    """

    name: str
    unit: Unit
    purpose: str
    template: PromptTemplate
    check: Check


def not_storable(text: str) -> str | None:
    """Why a text of any kind cannot be kept and read, or None."""
    if not text.strip():
        return "is empty"
    if "\0" in text:
        return "holds a NUL, which no database stores"
    if len(text) > LONGEST_TEXT:
        return f"is longer than {LONGEST_TEXT:,} characters"
    return None
