"""What all verbs share: requests, results, and how progress is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Request(BaseModel):
    """Base of all requests: immutable, and nothing undeclared is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(BaseModel):
    """A typed value inside a result."""

    model_config = ConfigDict(frozen=True)


class Result(Record, ABC):
    """Base of all results: `--json` prints exactly its fields, `lines` is the same for a person in a terminal."""

    @abstractmethod
    def lines(self) -> list[str]:
        """What a terminal shows, a line each."""


Progress = Callable[[int, int, str], None]
"""Called with (done, total, what) after each piece of a long verb's work."""


def silent(done: int, total: int, what: str) -> None:
    """Progress for nobody."""


def is_positional(field: FieldInfo) -> bool:
    """Whether the CLI takes it by position."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("positional"))


def positional(description: str, **extra: Any) -> Any:
    """A field that the CLI takes by position; required, unless a default is given."""
    return Field(description=description, json_schema_extra={"positional": True}, **extra)
