"""Names of stored things: random ids for rows and folders, and content keys that say when two things are the same."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping


def new_id() -> str:
    """A short random id: 12 hexadecimal digits."""
    return secrets.token_hex(6)


def content_key(value: object) -> str:
    """sha256 of a JSON value in canonical form (keys sorted), 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def text_set_key(kind: str, model: str, revision: str, prompt_version: str, sampling: Mapping[str, object], seed: int) -> str:
    """What two text sets of a dataset must share to be the same set: texts would come out equal."""
    key = [model, revision, prompt_version, dict(sampling), seed]
    return content_key(key if kind == "archetype" else [*key, kind])  # archetypes have had their keys without it
