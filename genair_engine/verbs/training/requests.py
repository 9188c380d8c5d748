"""What `train` and `evaluate` are asked, and how the registry knows them. Whoever asks loads neither torch nor a database."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from genair_engine.training.config import TrainingConfig
from genair_engine.verbs.base import AsJob, Request, Verb, positional
from genair_engine.verbs.training.results import RunResult


class TrainRequest(TrainingConfig):
    """Train a recommender and evaluate it."""

    dataset: str = positional("data set")
    representation: str | None = Field(None, description="item representation made by `represent`; method id needs none")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")

    @model_validator(mode="wrap")
    @classmethod
    def _remember_what_was_given(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """`model_fields_set` names what the caller gave, not what backbone and preset filled in (`sweep` builds on that)."""
        request = handler(given)
        if isinstance(given, dict):
            object.__setattr__(request, "__pydantic_fields_set__", set(given))
        return request

    def config(self) -> TrainingConfig:
        return TrainingConfig(**self.model_dump(include=set(TrainingConfig.model_fields)))


class EvaluateRequest(Request):
    """Evaluate a trained run again, from its stored weights."""

    run: str = positional("run")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


ALWAYS_IN_THE_TITLE = {"dataset", "representation", "device", "backbone", "method", "loss", "seed"}


def run_title(request: TrainRequest) -> str:
    """A run in one line, with what was given beside the usual, so that the runs of a grid can be told apart."""
    given = [name for name in type(request).model_fields if name in request.model_fields_set - ALWAYS_IN_THE_TITLE]
    settings = [f"loss {request.loss}", *(f"{name.replace('_', ' ')} {getattr(request, name)}" for name in given)]
    what = f"Train {request.backbone} with {request.method} on {request.dataset}"
    return f"{what}, {', '.join(settings)}, seed {request.seed}"


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
