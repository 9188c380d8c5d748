"""What `demo` and `doctor` are asked and answer: the whole way of the data at once, and what is wrong with an installation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genair_engine.catalog.demo.size import ITEMS, SUN_HAT_ID, SUN_HAT_NUMBER
from genair_engine.verbs.base import AsJob, Record, Request, Result, Verb
from genair_engine.verbs.training.sweep import SweepResult

DEMO = "demo"
"""What its data set is called."""
SUN_HAT = SUN_HAT_ID
"""The paper's case-study item in it."""


class DemoRequest(Request):
    """Build the embedded demo: a synthetic catalogue, archetypes by both demo models, two trained recommenders."""

    items: int = Field(
        ITEMS, ge=SUN_HAT_NUMBER, le=100_000, description="size of the synthetic catalogue; four times as many users [items]"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")

    @property
    def dataset(self) -> str:
        """The name of the data set that it makes."""
        return DEMO


class DemoResult(Result):
    """archetypes: how many items each language model has written for. results: the trained recommenders."""

    dataset: str
    archetypes: dict[str, int]
    representation: str
    results: SweepResult

    def lines(self) -> list[str]:
        wrote = ", ".join(f"{model} for {items:,} items" for model, items in self.archetypes.items())
        return [
            f"The demo is ready: data set {self.dataset!r} (synthetic), archetypes by {wrote}, item vectors "
            f"{self.representation}.",
            *self.results.lines(),
            "Look at it with `make app`.",
        ]


State = Literal["ok", "note", "problem"]


class DoctorRequest(Request):
    """Check this installation."""


class Check(Record):
    """One thing looked at. state: "ok", "note" (works, but know this) or "problem"; advice: what to do, "" if nothing."""

    name: str
    state: State
    found: str
    advice: str = ""


class DoctorResult(Result):
    """healthy: no check is a problem."""

    healthy: bool
    checks: list[Check]

    def lines(self) -> list[str]:
        marks = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
        return [
            line
            for check in self.checks
            for line in (
                f"{marks[check.state]} {check.name}: {check.found}",
                check.advice and f"        {check.advice}",
            )
            if line
        ]


DEMO_VERB = Verb(
    "demo",
    DemoRequest,
    DemoResult,
    run="genair_engine.verbs.system.demo:demo",
    role="write",
    audited=True,
    job=AsJob(
        lambda request: f"Build the demo of {request.items:,} items", check="genair_engine.verbs.system.demo:check_demo"
    ),
)
DOCTOR = Verb("doctor", DoctorRequest, DoctorResult, run="genair_engine.verbs.system.doctor:doctor", needs_workspace=False)
