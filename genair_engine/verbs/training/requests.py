"""What `train` and `evaluate` are asked, and how the registry knows them. Whoever asks loads neither torch nor a database."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from genair_engine.methods.fields import ConfigFields, given_options
from genair_engine.verbs.base import AsJob, Request, Verb, positional
from genair_engine.verbs.training.results import RunResult


class TrainRequest(ConfigFields):
    """Train a recommender and evaluate it."""

    dataset: str = positional("data set")
    representation: str | None = Field(None, description="item representation made by `represent`, where the method reads one")
    inputs: dict[str, str] = Field({}, description="other inputs that the method needs, ROLE=ID (repeatable)")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuses options that backbone, method and loss do not have, and values that do not fit each other."""
        if not self.is_grid:
            self.config()
        return self

    @property
    def is_grid(self) -> bool:
        """Whether it stands for several configurations, each of which is checked when it is made."""
        return False

    def given(self) -> dict[str, Any]:
        """The names and options of the configuration that were given, as they were."""
        return given_options(self.__dict__, self.model_fields_set & ConfigFields.model_fields.keys())


class EvaluateRequest(Request):
    """Evaluate a trained run again, from its stored weights."""

    run: str = positional("run")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


ALWAYS_IN_THE_TITLE = {"dataset", "representation", "device", "backbone", "method", "loss", "seed"}


def run_title(request: TrainRequest) -> str:
    """A run in one line, with what was given beside the usual, so that the runs of a grid can be told apart."""
    config = request.config()
    given = [name for name in type(request).model_fields if name in request.model_fields_set - ALWAYS_IN_THE_TITLE]
    settings = [f"{name.replace('_', ' ')} {getattr(request, name)}" for name in given]
    if config.backbone is None:
        return ", ".join([f"Fit {config.method} to {request.dataset}", *settings])
    settings = [f"loss {config.loss}", *settings, f"seed {config.seed}"]
    return f"Train {config.backbone} with {config.method} on {request.dataset}, {', '.join(settings)}"


TRAIN = Verb(
    "train",
    TrainRequest,
    RunResult,
    run="genair_engine.verbs.training.fitting:train",
    role="write",
    audited=True,
    job=AsJob(
        run_title,
        check="genair_engine.verbs.training.checks:check",
        earlier="genair_engine.verbs.training.runs:run_of_job",
    ),
)
EVALUATE = Verb(
    "evaluate",
    EvaluateRequest,
    RunResult,
    run="genair_engine.verbs.training.fitting:evaluate",
    role="write",
    job=AsJob(lambda request: f"Evaluate {request.run}", check="genair_engine.verbs.training.checks:check_finished"),
)
