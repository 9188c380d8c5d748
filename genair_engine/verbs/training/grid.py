"""Which configurations a sweep has: the cells of its grid and its ablations, a request of `train` each. Trains nothing.

A value that a combination does not have (alpha with method id) is left out of it, and cells that would train the same are one:
what a cell reads decides, as in the key of a run.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from genair_engine.errors import InputError
from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.methods.backbones import BACKBONES
from genair_engine.methods.base import ITEM_PARTS, Method
from genair_engine.methods.config import NAMES, RunConfig, declared, owners
from genair_engine.methods.registry import METHODS
from genair_engine.methods.stages import TrainingOptions
from genair_engine.verbs.training.checks import check as check_run
from genair_engine.verbs.training.requests import TrainRequest
from genair_engine.verbs.training.sweep import SweepRequest
from genair_engine.workspace import Workspace

OPTION_GRIDS = {"alphas": "alpha", "gammas": "gamma"}
"""Fields of the request that are grids over an option, and the option."""


@dataclass(frozen=True)
class Configuration:
    """One row to be: a request, and what sets it apart within the sweep."""

    request: TrainRequest
    variant: str = ""

    @property
    def config(self) -> RunConfig:
        return self.request.config()

    @property
    def name(self) -> str:
        config = self.config
        parts = (config.backbone, config.method, config.loss)
        return " ".join(part for part in parts if part) + (f", {self.variant}" if self.variant else "")

    def with_seeds(self, seeds: Sequence[int]) -> list[TrainRequest]:
        """A run each; one run where nothing is trained, which no seed changes."""
        return [self.with_seed(seed) for seed in seeds] if self.config.backbone else [self.request]

    def with_seed(self, seed: int) -> TrainRequest:
        return TrainRequest(**(self.request.model_dump(exclude_unset=True) | {"seed": seed}))


def seeds_of(request: SweepRequest) -> list[int]:
    """A run each; by default the one seed of the configuration. Raises InputError for one that is none."""
    default = TrainingOptions.model_fields["seed"].default
    seeds = list(dict.fromkeys(request.seeds)) or [default if request.seed is None else request.seed]
    for seed in seeds:
        try:
            TrainingOptions(seed=seed)
        except ValidationError as error:
            raise InputError(f"seeds: {error.errors()[0]['msg']}.") from None
    return seeds


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

    Raises InputError, naming the combination, where one makes no sense; ValidationError where there is only one combination.
    """
    seeds = seeds_of(request)
    if request.is_grid:
        cells = list(configurations(request))
    else:
        fields = request.model_dump(include=set(TrainRequest.model_fields), exclude_unset=True)
        cells = [Configuration(TrainRequest(**fields))]
    return [run for cell in cells for run in cell.with_seeds(seeds)]


def configurations(request: SweepRequest) -> Iterator[Configuration]:
    """The cells of the grid, then the ablations of its methods, which have the grid's options where these are single.

    Raises InputError for an option that no combination has, for an ablation beside several values of an option, and where none
    of the methods can be taken apart.
    """
    combinations = list(_combinations(request))
    _refuse_unread(request, combinations)
    ablations = _ablations(request, combinations) if request.ablations else []
    for names in combinations:
        axes = [
            [(option, value) for value in dict.fromkeys(getattr(request, grid))]
            for grid, option in OPTION_GRIDS.items()
            if getattr(request, grid) and option in _options(names)
        ]
        seen: set[str] = set()
        for point in itertools.product(*axes):
            values = dict(point)
            cell = changed(request, names | values)
            key = json.dumps(cell.config.key(), sort_keys=True)
            if key not in seen:
                seen.add(key)
                yield Configuration(cell.request, in_words(_read(cell.config, values)))
    yield from ablations


def _ablations(request: SweepRequest, combinations: list[dict[str, str]]) -> list[Configuration]:
    taken_apart = [names for names in combinations if _method(names).ablations]
    if not taken_apart:
        methods = " and ".join(dict.fromkeys(names["method"] for names in combinations))
        raise InputError(f"Ablations leave out parts of a method, and {methods} has none of them.")
    base, cells = _single_values(request), []
    for names in taken_apart:
        for left_out in request.ablations:
            values = _method(names).ablations.get(left_out, {"without": left_out})  # else a part of the representation
            cell = changed(request, names | base | dict(values))
            read = _read(cell.config, {name: value for name, value in base.items() if name not in values})
            cells.append(Configuration(cell.request, ", ".join(filter(None, (in_words(read), f"w/o {left_out}")))))
    return cells


def _combinations(request: SweepRequest) -> Iterator[dict[str, str]]:
    """Backbone, method and loss of every cell. Raises InputError for a name that there is not."""
    axes: list[list[str | None]] = [[*names] or [None] for names in (request.backbones, request.methods, request.losses)]
    for backbone, method, loss in itertools.product(*axes):
        named = {"backbone": backbone, "method": method, "loss": loss}
        changes = {name: value for name, value in named.items() if value is not None}
        given = {name: value for name in NAMES if (value := getattr(request, name)) is not None} | changes
        try:
            config = RunConfig.of(**given)
        except ValidationError as error:
            raise _cannot_run(changes, error) from None
        yield changes | {
            "backbone": given["backbone"],
            "method": config.method,
            "loss": config.loss or next(iter(LOSSES)),
        }


def _method(names: Mapping[str, str]) -> Method[Any]:
    return METHODS[names["method"]]


def _options(names: Mapping[str, str]) -> frozenset[str]:
    """The options that a combination has."""
    return frozenset(declared(BACKBONES[names["backbone"]], _method(names), LOSSES[names["loss"]]))


def _refuse_unread(request: SweepRequest, combinations: list[dict[str, str]]) -> None:
    """An option that none of the combinations has would change nothing."""
    known = frozenset[str]().union(*(_options(names) for names in combinations))
    for name in request.given():
        if name not in NAMES and name not in known:
            raise InputError(f"No configuration of this sweep has the option {name}, which is of {', '.join(owners(name))}.")


def _single_values(request: SweepRequest) -> dict[str, Any]:
    """The one value of each option that the grid varies. Raises InputError where it has several."""
    single = {}
    for grid, option in OPTION_GRIDS.items():
        values = list(dict.fromkeys(getattr(request, grid)))
        if len(values) > 1:
            raise InputError(
                f"--{grid} has {' and '.join(f'{value:g}' for value in values)}: an ablation leaves a part out of one "
                "configuration, so give one value, or the ablations in a sweep of their own."
            )
        if values:
            single[option] = values[0]
    return single


def _read(config: RunConfig, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some values that have an effect."""
    flat = config.flat()
    return {name: value for name, value in values.items() if name in flat}


def changed(request: SweepRequest, changes: Mapping[str, Any], variant: str = "") -> Configuration:
    """The sweep's base with some values changed, without options and inputs that the combination does not have.

    Raises InputError, naming the combination, where it makes no sense.
    """
    given = request.given() | dict(changes)
    try:
        config = RunConfig.of(**{name: value for name, value in given.items() if name in NAMES})
        names = {"backbone": given.get("backbone", request.backbone), "method": config.method}
        options = _options(names | {"loss": config.loss or next(iter(LOSSES))})
        roles = {need.role for need in config.definition.needs}
        fields = {name: value for name, value in given.items() if name in NAMES or name in options}
        fields |= {"inputs": {role: name for role, name in request.inputs.items() if role in roles}}
        if ITEM_PARTS.role in roles and request.representation is not None:
            fields["representation"] = request.representation
        return Configuration(TrainRequest(dataset=request.dataset, device=request.device, **fields), variant)
    except ValidationError as error:
        raise _cannot_run(changes, error) from None


def _cannot_run(changes: Mapping[str, Any], error: ValidationError) -> InputError:
    first = error.errors()[0]
    where = f"{first['loc'][-1]}: " if first["loc"] else ""
    return InputError(f"This combination cannot run: {in_words(changes)}. {where}{first['msg']}.")


def in_words(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
