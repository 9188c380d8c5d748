"""A verb as anybody adds one: in a file, and a line of `registry.PLACES`."""

from __future__ import annotations

from genair_engine.verbs.base import AsJob, Http, Progress, Request, Result, Verb, positional, silent
from genair_engine.workspace import Workspace


class GreetRequest(Request):
    """Greet somebody."""

    name: str = positional("whom to greet")


class GreetResult(Result):
    """greeting: what is called out. by: who greets."""

    greeting: str
    by: str | None

    def lines(self) -> list[str]:
        return [self.greeting]


GREET = Verb(
    "greet",
    GreetRequest,
    GreetResult,
    run="tests.verbs.made_up:greet",
    role="admin",
    job=AsJob(lambda request: f"Greet {request.name}", check="tests.verbs.made_up:check"),
    http=Http("GET", "/api/greet"),
)


def check(workspace: Workspace, request: GreetRequest) -> None:
    """Everybody may be greeted."""


def greet(workspace: Workspace, request: GreetRequest, progress: Progress = silent) -> GreetResult:
    progress(1, 1, "greeted")
    return GreetResult(greeting=f"Hello {request.name}", by=workspace.actor)
