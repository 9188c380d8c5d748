"""Which configurations a sweep has: the cells of its grid and its ablations, a request of `train` each. Trains nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from genair_engine.errors import InputError
from genair_engine.methods.config import METHOD_FACTS
from genair_engine.verbs.training.checks import check as check_run
from genair_engine.verbs.training.requests import TrainRequest
from genair_engine.verbs.training.sweep import SweepRequest
from genair_engine.workspace import Workspace

ABLATIONS: dict[str, dict[str, Any]] = {
    "prefill": {"without": "prefill"},
    "decoding": {"without": "decoding"},
    "calibration": {"alpha": 0.0},
}
"""What leaves a part of GenAIR out (the paper's table 3)."""


@dataclass(frozen=True)
class Configuration:
    """One row to be: a request, and what sets it apart within the sweep."""

    request: TrainRequest
    variant: str = ""

    @property
    def name(self) -> str:
        request = self.request
        return f"{request.backbone} {request.method} {request.loss}" + (f", {self.variant}" if self.variant else "")

    def with_seed(self, seed: int) -> TrainRequest:
        return self.request.model_copy(update={"seed": seed})


def check(workspace: Workspace, request: SweepRequest) -> None:
    """Raises InputError or NotFoundError, naming the combination, where one of the configurations cannot run.

    Of a search of hyperparameters only the data set is looked for: a trial that cannot run counts as a bad one.
    """
    workspace.dataset_row(request.dataset)
    if request.trials or request.search:
        return
    for configuration in configurations(request):
        try:
            check_run(workspace, configuration.request)
        except InputError as error:
            raise InputError(f"{configuration.name}: {error}") from error


def runs_of_grid(request: SweepRequest) -> list[TrainRequest]:
    """The runs of its grids and seeds, a request each, in the sweep's order.

    Raises InputError, naming the combination, where one makes no sense.
    """
    seeds = list(dict.fromkeys(request.seeds)) or [request.seed]
    bases = [request.model_dump(include=set(TrainRequest.model_fields), exclude_unset=True)]
    if any((request.backbones, request.methods, request.losses, request.alphas, request.gammas, request.ablations)):
        bases = [configuration.request.model_dump(exclude_unset=True) for configuration in configurations(request)]
    try:
        return [TrainRequest(**(base | {"seed": seed})) for base in bases for seed in seeds]
    except ValidationError as error:
        raise InputError(f"seeds: {error.errors()[0]['msg']}.") from None


def configurations(request: SweepRequest) -> Iterator[Configuration]:
    """The grid, then the ablations. `alphas` vary for methods that calibrate, `gammas` also only where alpha is not 0.

    What else a method, backbone or loss does not read stays in the configuration as it was given. Ablations have the grid's
    alpha and gamma. Raises InputError where it has several of them, and for ablations that there are not.
    """
    backbones, losses = request.backbones or [request.backbone], request.losses or [request.loss]
    methods = request.methods or [request.method]
    for backbone, method, loss in itertools.product(backbones, methods, losses):
        # A value that was not given stays so: its default may depend on the backbone.
        changes = {"backbone": backbone, "method": method} | ({"loss": loss} if request.losses else {})
        calibrated = method in METHOD_FACTS and METHOD_FACTS[method].calibrated
        alphas: Sequence[float | None] = request.alphas if request.alphas and calibrated else [None]
        for alpha in alphas:
            off = alpha == 0 or (alpha is None and request.alpha == 0)
            gammas: Sequence[float | None] = request.gammas if request.gammas and calibrated and not off else [None]
            for gamma in gammas:
                given = {name: value for name, value in (("alpha", alpha), ("gamma", gamma)) if value is not None}
                yield changed(request, changes | given, in_words(given))
    taken_apart = [method for method in methods if method in METHOD_FACTS and METHOD_FACTS[method].calibrated]
    if request.ablations and not taken_apart:
        raise InputError(f"Ablations leave out parts of GenAIR, and {' and '.join(methods)} has none of them.")
    base = _of_ablations(request) if request.ablations else {}
    for backbone, method, loss in itertools.product(backbones, taken_apart, losses):
        changes = {"backbone": backbone, "method": method} | ({"loss": loss} if request.losses else {})
        for part in request.ablations:
            if part not in ABLATIONS:
                raise InputError(f"There is no ablation {part!r}: give {', '.join(ABLATIONS)}.")
            given = base | ABLATIONS[part]
            if given.get("alpha", request.alpha) == 0:
                given.pop("gamma", None)  # as in the grid: it changes nothing
            values = in_words({name: value for name, value in given.items() if name not in ABLATIONS[part]})
            yield changed(request, changes | given, f"{values}, w/o {part}" if values else f"w/o {part}")


def _of_ablations(request: SweepRequest) -> dict[str, float]:
    """The grid's one alpha and one gamma, where it has them. Raises InputError where it has several."""
    values_of_grid = {}
    for grid, name in (("alphas", "alpha"), ("gammas", "gamma")):
        values = list(dict.fromkeys(getattr(request, grid)))
        if len(values) > 1:
            raise InputError(
                f"--{grid} has {' and '.join(f'{value:g}' for value in values)}: an ablation leaves a part out of one "
                "configuration, so give one value, or the ablations in a sweep of their own."
            )
        if values:
            values_of_grid[name] = values[0]
    return values_of_grid


def changed(request: SweepRequest, changes: dict[str, Any], variant: str = "") -> Configuration:
    """The sweep's base with some values changed. Raises InputError, naming the combination, where it makes no sense."""
    given = request.model_dump(include=set(TrainRequest.model_fields), exclude_unset=True) | changes
    method = METHOD_FACTS.get(given.get("method", request.method))
    if method is not None and not method.needs_representation:
        given.pop("representation", None)
    try:
        return Configuration(TrainRequest(**given), variant)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{first['loc'][-1]}: " if first["loc"] else ""
        raise InputError(f"This combination cannot run: {in_words(changes)}. {where}{first['msg']}.") from None


def in_words(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
