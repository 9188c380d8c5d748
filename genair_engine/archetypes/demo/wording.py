"""The wording of the demo models' answers: templates by model (`styles.toml`), picked and filled for an item."""

from __future__ import annotations

import random
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_SLOT = re.compile(r"\{(\w+)\}")


@cache
def style(name: str) -> dict[str, Any]:
    """The wording of a model ("llama": broad and descriptive; "qwen": focused and concise): lists of templates by name,
    `segments` (fewest and most) and `closing_share`."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("styles.toml").read_text("utf-8"))
    return tables[name]


def pick(templates: list[str], slots: dict[str, str], rng: random.Random, count: int = 1) -> list[str]:
    """`count` templates whose slots the item can fill: different ones as long as there are such."""
    usable = [template for template in templates if set(_SLOT.findall(template)) <= set(slots)]
    chosen: list[str] = []
    while len(chosen) < count:
        chosen += rng.sample(usable, k=min(len(usable), count - len(chosen)))
    return chosen


def fill(template: str, slots: dict[str, str]) -> str:
    """The template with every {slot} replaced."""
    return _SLOT.sub(lambda match: slots[match[1]], template)


def with_article(noun: str) -> str:
    """The noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
