"""How a sweep is made: which configurations it has, one run for each with each seed, and the table of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from genair_engine.cluster import placed, spread
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.evaluation.protocol import Protocol
from genair_engine.methods.floors import FLOORS
from genair_engine.methods.registry import METHODS
from genair_engine.store import runs as rows
from genair_engine.verbs.base import Progress
from genair_engine.verbs.evaluation.measure import measure
from genair_engine.verbs.training import fitting
from genair_engine.verbs.training.load import load_vectors
from genair_engine.verbs.training.runs import RunResult, TrainRequest, is_protocol, protocol_in_words, run_result
from genair_engine.verbs.training.sweep import Summary, SweepRequest, SweepResult, SweepRow
from genair_engine.workspace import Workspace

ABLATIONS: dict[str, dict[str, Any]] = {
    "prefill": {"without": "prefill"},
    "decoding": {"without": "decoding"},
    "calibration": {"alpha": 0.0},
}
"""What leaves a part of GenAIR out (the paper's table 3)."""
METRICS = ("HR@10", "NDCG@10")


@dataclass(frozen=True)
class Configuration:
    """One row to be: a request, and what sets it apart within the sweep."""

    request: TrainRequest
    variant: str = ""

    @property
    def name(self) -> str:
        one = self.request
        return f"{one.backbone} {one.method} {one.loss}" + (f", {self.variant}" if self.variant else "")

    def with_seed(self, seed: int) -> TrainRequest:
        return self.request.model_copy(update={"seed": seed})


@dataclass
class Trained:
    """The finished runs of a configuration, and the seeds that diverged."""

    configuration: Configuration
    runs: list[RunResult] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def sweep(workspace: Workspace, request: SweepRequest, progress: Progress) -> SweepResult:
    """See `verbs.sweep`. Everything is checked before anything is trained."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise InputError("A sweep trains its runs one after another in one process: start it without torchrun.")
    request = request.model_copy(update={"device": placed(workspace.settings, request.device)[0]})
    seeds = list(dict.fromkeys(request.seeds)) or [request.seed]
    notes = []
    if request.trials or request.search:
        from genair_engine.verbs.training.hyperparameters import search  # Optuna, which nobody else waits for

        found = search(workspace, request, progress)
        trained, notes = found.trained, found.notes
        if found.best is not None and seeds != [request.seed]:
            best = Configuration(found.best.request, f"best of {request.trials} trials: {found.best.variant}")
            trained += _train(workspace, [best], seeds, progress)
    else:
        wanted = _distinct(workspace, list(configurations(request)), seeds)
        trained = _train(workspace, wanted, seeds, progress)
    table = [_row(one) for one in trained]
    if request.floors:
        table += floor_rows(workspace, request, progress)
        if request.representation is None:
            notes.append("The floors of content similarity are left out: they need --representation.")
    table.sort(key=lambda row: -row.score("valid"))  # stable: rows that are level stay in the order of the request
    whole = [number for number, row in enumerate(table) if not row.backbone or set(seeds) <= set(row.seeds)]
    if whole:
        table[whole[0]] = table[whole[0]].model_copy(update={"best": True})
    return SweepResult(
        dataset=request.dataset,
        representation=request.representation,
        device=request.device,
        rows=table,
        notes=notes + _beaten(table),
    )


def check(workspace: Workspace, request: SweepRequest) -> None:
    """Raises InputError or NotFoundError, naming the combination, where one of the configurations cannot run."""
    for one in configurations(request):
        try:
            fitting.check(workspace, one.request)
        except InputError as error:
            raise InputError(f"{one.name}: {error}") from error


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
        calibrated = method in METHODS and METHODS[method].calibrated
        alphas: Sequence[float | None] = request.alphas if request.alphas and calibrated else [None]
        for alpha in alphas:
            off = alpha == 0 or (alpha is None and request.alpha == 0)
            gammas: Sequence[float | None] = request.gammas if request.gammas and calibrated and not off else [None]
            for gamma in gammas:
                given = {name: value for name, value in (("alpha", alpha), ("gamma", gamma)) if value is not None}
                yield configuration(request, changes | given, in_words(given))
    taken_apart = [method for method in methods if method in METHODS and METHODS[method].calibrated]
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
            said = in_words({name: value for name, value in given.items() if name not in ABLATIONS[part]})
            yield configuration(request, changes | given, f"{said}, w/o {part}" if said else f"w/o {part}")


def _of_ablations(request: SweepRequest) -> dict[str, float]:
    """The grid's one alpha and one gamma, where it has them. Raises InputError where it has several."""
    found = {}
    for grid, name in (("alphas", "alpha"), ("gammas", "gamma")):
        values = list(dict.fromkeys(getattr(request, grid)))
        if len(values) > 1:
            raise InputError(
                f"--{grid} has {' and '.join(f'{value:g}' for value in values)}: an ablation leaves a part out of one "
                "configuration, so give one value, or the ablations in a sweep of their own."
            )
        if values:
            found[name] = values[0]
    return found


def configuration(request: SweepRequest, changes: dict[str, Any], variant: str = "") -> Configuration:
    """The sweep's base with some values changed. Raises InputError, naming the combination, where it makes no sense."""
    given = request.model_dump(include=set(TrainRequest.model_fields), exclude_unset=True) | changes
    method = METHODS.get(given.get("method", request.method))
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


def train_or_reuse(workspace: Workspace, request: TrainRequest, progress: Progress) -> RunResult:
    """The run of exactly this configuration, or else a new or resumed one.

    Raises NonFiniteError when it diverges, and at once when it has: it would again.
    """
    job = fitting.plan(workspace, request)
    with workspace.reading() as session:
        over = rows.runs_of_key(session, job.owner.id, job.key, ("done", "failed"))
    if over and over[0].state == "failed":
        raise NonFiniteError(str(over[0].error))
    return run_result(workspace, over[0].id if over else fitting.train(workspace, request, progress))


def _distinct(workspace: Workspace, found: list[Configuration], seeds: list[int]) -> list[Configuration]:
    """The configurations without repetitions, all of them checked. Raises InputError, naming what cannot run."""
    distinct: dict[str, Configuration] = {}
    for one in found:
        try:
            key = fitting.Job(*fitting.check(workspace, one.request), device=one.request.device).key
            for seed in seeds:
                TrainRequest(**(one.request.model_dump() | {"seed": seed}))
        except ValidationError as error:
            raise InputError(f"seeds: {error.errors()[0]['msg']}.") from None
        except InputError as error:
            raise InputError(f"{one.name}: {error}") from error
        same = distinct.get(key)
        distinct[key] = Configuration(one.request, " = ".join(filter(None, (same.variant, one.variant)))) if same else one
    return list(distinct.values())


def _train(workspace: Workspace, wanted: list[Configuration], seeds: list[int], progress: Progress) -> list[Trained]:
    """Every configuration with every seed: on a cluster at the same time, else one after another."""
    cells = [(one, seed) for one in wanted for seed in seeds]

    def tell(index: int, done: int, total: int, what: str) -> None:
        one, seed = cells[index]
        progress(done, total, f"{one.name}, seed {seed}: {what}")

    requests = [one.with_seed(seed) for one, seed in cells]
    with closing(spread(workspace, _run_or_reason, requests, tell, wanted[0].request.device)) as finished:
        made = dict(finished)
    trained = [Trained(one) for one in wanted]
    for index, (_, seed) in enumerate(cells):
        of, run = trained[index // len(seeds)], made[index]
        if isinstance(run, str):
            of.failed.append(f"seed {seed}: {run}")
        else:
            of.runs.append(run)
    return trained


def _run_or_reason(workspace: Workspace, request: TrainRequest, progress: Progress) -> RunResult | str:
    """The run, or why it diverged, which ends no sweep."""
    try:
        return train_or_reuse(workspace, request, progress)
    except NonFiniteError as error:
        return str(error)


def _row(trained: Trained) -> SweepRow:
    one, runs = trained.configuration.request, trained.runs
    seeds = [run.config["seed"] for run in runs]
    return SweepRow(
        backbone=one.backbone,
        method=one.method,
        loss=one.loss,
        variant=trained.configuration.variant,
        protocol=protocol_in_words(runs[0].protocol) if runs else "",
        setting=f"Loss {one.loss}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds)) or 'none finished'}",
        config=one.config().model_dump(exclude={"seed"}),
        deviations=runs[0].deviations if runs else one.config().deviations(),
        runs=[run.run for run in runs],
        seeds=seeds,
        best_epochs=[run.best_epoch for run in runs],
        seconds_per_epoch=float(np.mean([run.seconds_per_epoch for run in runs])) if runs else None,
        trainable_parameters=runs[0].trainable_parameters if runs else None,
        metrics=_summaries([run.metrics for run in runs]),
        failed=trained.failed,
    )


def floor_rows(workspace: Workspace, request: SweepRequest, progress: Progress) -> list[SweepRow]:
    """The floors that can be had: those of content need the sweep's representation."""
    dataset, negatives, protocol = workspace.load_dataset(request.dataset), workspace.negatives(request.dataset), Protocol()
    vectors = None
    if request.representation is not None:
        with workspace.reading() as session:
            row = rows.find_representation(session, workspace.dataset_row(request.dataset), request.representation)
        vectors = load_vectors(workspace, row, request)
    found = []
    wanted = [floor for floor in FLOORS.values() if vectors is not None or not floor.needs_representation]
    for number, floor in enumerate(wanted, start=1):
        measured = measure(floor(dataset, vectors), dataset, negatives, protocol)
        progress(number, len(wanted), f"floor {floor.name}")
        found.append(
            SweepRow(
                backbone="",
                method=floor.name,
                loss="",
                variant="floor",
                protocol=protocol_in_words(protocol.model_dump()),
                setting=f"Not trained, {floor.purpose}",
                config={},
                deviations=[],
                runs=[],
                seeds=[],
                best_epochs=[],
                seconds_per_epoch=None,
                trainable_parameters=None,
                metrics=_summaries([measured.metrics]),
            )
        )
    return found


def _summaries(measured: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Summary]]]:
    """Mean and sd over runs of what the table shows."""

    def summary(part: str, protocol: str, metric: str) -> Summary:
        values = [one[part][protocol][metric] for one in measured]
        return Summary(mean=float(np.mean(values)), sd=float(np.std(values, ddof=1)) if len(values) > 1 else None)

    if not measured:
        return {}
    return {
        part: {
            protocol: {metric: summary(part, protocol, metric) for metric in METRICS}
            for protocol in protocols
            if is_protocol(protocol)
        }
        for part, protocols in measured[0].items()
    }


def _beaten(table: list[SweepRow]) -> list[str]:
    """Which trained rows do not beat the best floor, on either part."""
    floors, trained = [row for row in table if not row.backbone], [row for row in table if row.backbone and row.metrics]
    notes = []
    for part in ("valid", "test") if floors else ():
        best = max(floors, key=lambda row: row.score(part))
        below = [row.name for row in trained if row.score(part) <= best.score(part)]
        if below:
            value = f"{best.score(part):.4f}"
            notes.append(f"Not above the best floor, {best.method} ({part} NDCG@10 {value}): {'; '.join(below)}.")
    return notes
