"""What all verbs share: requests, results, how progress is told, and what is declared of a verb.

A verb is declared in a file that loads no torch and no database: what it asks, what it answers, and where its function is.
The function is named in words ("module:function"), which imports nothing: it may import the request and the result, and they
never import it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

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


Role = Literal["read", "write", "admin"]
"""What a verb may do: look, add and change what one's own work needs, or take away what others work with."""


@dataclass(frozen=True)
class AsJob:
    """How a verb runs as a job.

    title: its request in one line. check: "module:function" of (workspace, request), which raises InputError or NotFoundError
    where it cannot run. earlier: "module:function" of (workspace, job) → the result of an earlier attempt at the job that died
    before it could tell, or None, so that nothing is done twice; verbs that go on with what is there need none.
    """

    title: Callable[[Any], str]
    check: str
    earlier: str | None = None


@dataclass(frozen=True)
class Http:
    """How a verb is asked over HTTP: a GET takes its request from the query, a POST from a JSON body."""

    method: Literal["GET", "POST"]
    path: str


@dataclass(frozen=True)
class Verb:
    """What is declared of a verb, for the terminal, the HTTP API, jobs and pages alike.

    run: "module:function" of (workspace, request, progress) → result. role: who may run it, once roles are given. audited:
    whether an audit log keeps who ran it. job: how it runs as a job, http: how it is asked over HTTP, if it may. terminal:
    whether the command line has it. needs_workspace: False where it must work although no workspace can be opened; it then
    gets the settings instead.
    """

    name: str
    request: type[BaseModel]
    result: type[Record]
    run: str
    role: Role = "read"
    audited: bool = False
    job: AsJob | None = None
    http: Http | None = None
    terminal: bool = True
    needs_workspace: bool = True


@dataclass(frozen=True)
class MayBeFolder:
    """Marks a text field (in `Annotated`) that is a name or a folder on this machine, as a model is."""


ModelName = Annotated[str, MayBeFolder()]
"""A model by its name, or its folder."""


def may_be_folder(field: FieldInfo) -> bool:
    """Whether the field's text may be a folder's name, which is another one where a job is done."""
    return MayBeFolder() in field.metadata


def is_positional(field: FieldInfo) -> bool:
    """Whether the CLI takes it by position."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("positional"))


def positional(description: str, **extra: Any) -> Any:
    """A field that the CLI takes by position; required, unless a default is given."""
    return Field(description=description, json_schema_extra={"positional": True}, **extra)
