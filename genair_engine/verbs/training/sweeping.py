"""How a sweep is made: one run for each configuration with each seed, and the table of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from genair_engine.cluster import placed, spread
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.methods.item_parts import PartOptions
from genair_engine.methods.registry import METHODS, tags_of
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.training.cells import Trained, train_or_reuse
from genair_engine.verbs.training.checks import check
from genair_engine.verbs.training.grid import Configuration, configurations, seeds_of
from genair_engine.verbs.training.requests import TrainRequest
from genair_engine.verbs.training.results import RunResult, is_protocol, protocol_in_words
from genair_engine.verbs.training.sweep import Summary, SweepRequest, SweepResult, SweepRow
from genair_engine.workspace import Workspace

METRICS = ("HR@10", "NDCG@10")


def sweep(workspace: Workspace, request: SweepRequest, progress: Progress = silent) -> SweepResult:
    """Train what of the sweep is not yet trained, and tabulate all of it.

    A configuration that diverges is reported in its row. Raises InputError before anything is trained for a combination that
    cannot run, naming it.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise InputError("A sweep trains its runs one after another in one process: start it without torchrun.")
    request = request.model_copy(update={"device": placed(workspace.settings, request.device)[0]})
    seeds = seeds_of(request)
    notes = []
    if request.trials or request.search:
        from genair_engine.verbs.training.hyperparameters import search  # Optuna, which nobody else waits for

        searched = search(workspace, request, progress)
        trained, notes = searched.trained, searched.notes
        if searched.best is not None and request.seeds:
            best = Configuration(searched.best.request, f"best of {request.trials} trials: {searched.best.variant}")
            trained += _train(workspace, [best], seeds, progress)
    else:
        wanted = _distinct(workspace, configurations(request))
        trained = _train(workspace, wanted, seeds, progress)
    table = [_row(configuration) for configuration in trained]
    if request.floors:
        table += [row for row in floor_rows(workspace, request, progress) if row.runs not in [other.runs for other in table]]
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


def _distinct(workspace: Workspace, wanted: Iterable[Configuration]) -> list[Configuration]:
    """The configurations without repetitions, all of them checked. Raises InputError, naming what cannot run."""
    distinct: dict[str, Configuration] = {}
    for configuration in wanted:
        asked = configuration.request
        try:
            key = check(workspace, asked).key
        except InputError as error:
            raise InputError(f"{configuration.name}: {error}") from error
        if key in distinct:
            variant = " = ".join(filter(None, (distinct[key].variant, configuration.variant)))
            configuration = Configuration(asked, variant)
        distinct[key] = configuration
    return list(distinct.values())


def _train(workspace: Workspace, wanted: list[Configuration], seeds: list[int], progress: Progress) -> list[Trained]:
    """Every configuration with every seed, and once what has none: on a cluster at the same time, else one by one."""
    cells = [(place, seed) for place, configuration in enumerate(wanted) for seed in _seeds(configuration, seeds)]

    def in_words(index: int) -> str:
        place, seed = cells[index]
        return wanted[place].name if seed is None else f"{wanted[place].name}, seed {seed}"

    def tell(index: int, done: int, total: int, what: str) -> None:
        progress(done, total, f"{in_words(index)}: {what}")

    requests = [wanted[place].request if seed is None else wanted[place].with_seed(seed) for place, seed in cells]
    with closing(spread(workspace, _run_or_reason, requests, tell, wanted[0].request.device)) as finished:
        outcomes = dict(finished)
    trained = [Trained(configuration) for configuration in wanted]
    for index, (place, seed) in enumerate(cells):
        run = outcomes[index]
        if isinstance(run, str):
            trained[place].failed.append(run if seed is None else f"seed {seed}: {run}")
        else:
            trained[place].runs.append(run)
    return trained


def _seeds(configuration: Configuration, seeds: Sequence[int]) -> Sequence[int | None]:
    """What is not trained draws nothing at random."""
    return seeds if configuration.config.definition.tags.trained else [None]


def _run_or_reason(workspace: Workspace, request: TrainRequest, progress: Progress) -> RunResult | str:
    """The run, or why it diverged, which ends no sweep."""
    try:
        return train_or_reuse(workspace, request, progress)
    except NonFiniteError as error:
        return str(error)


def _row(trained: Trained) -> SweepRow:
    config, runs = trained.configuration.config, trained.runs
    is_trained = config.definition.tags.trained
    seeds = [run.config["seed"] for run in runs] if is_trained else []
    setting = f"Loss {config.loss}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds)) or 'none finished'}"
    return SweepRow(
        backbone=config.backbone or "",
        method=config.method,
        loss=config.loss or "",
        variant=trained.configuration.variant,
        protocol=protocol_in_words(runs[0].protocol) if runs else "",
        setting=setting if is_trained else f"Not trained, {config.definition.purpose}",
        config={name: value for name, value in config.flat().items() if name != "seed"},
        deviations=runs[0].deviations if runs else config.departures(),
        runs=[run.run for run in runs],
        seeds=seeds,
        best_epochs=[run.best_epoch for run in runs] if is_trained else [],
        seconds_per_epoch=float(np.mean([run.seconds_per_epoch for run in runs])) if runs and is_trained else None,
        trainable_parameters=runs[0].trainable_parameters if runs and is_trained else None,
        metrics=_summaries([run.metrics for run in runs]),
        failed=trained.failed,
    )


def floor_rows(workspace: Workspace, request: SweepRequest, progress: Progress) -> list[SweepRow]:
    """The floors that can be had, runs that are made or there already: those of content need the sweep's representation.

    They read the representation as the sweep does (a part left out, parts on one scale); their own options are the defaults.
    """
    table = []
    wanted = [method for method in METHODS.values() if method.tags.floor and (request.representation or not method.needs)]
    for number, method in enumerate(wanted, start=1):
        read = {name: value for name, value in request.given().items() if name in PartOptions.model_fields}
        needed = {**read, "representation": request.representation} if method.needs else {}
        floor = TrainRequest(dataset=request.dataset, method=method.name, device=request.device, **needed)
        run = train_or_reuse(workspace, floor, silent)
        progress(number, len(wanted), f"floor {method.name}")
        table.append(
            SweepRow(
                backbone="",
                method=method.name,
                loss="",
                variant="floor",
                protocol=protocol_in_words(run.protocol),
                setting=f"Not trained, {method.purpose}",
                config=run.config,
                deviations=run.deviations,
                runs=[run.run],
                seeds=[],
                best_epochs=[],
                seconds_per_epoch=None,
                trainable_parameters=None,
                metrics=_summaries([run.metrics]),
            )
        )
    return table


def _summaries(measured: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Summary]]]:
    """Mean and sd over runs of what the table shows."""

    def summary(part: str, protocol: str, metric: str) -> Summary:
        values = [metrics[part][protocol][metric] for metrics in measured]
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
    floors = [row for row in table if tags_of(row.method).floor]
    trained = [row for row in table if row.backbone and row.metrics]
    notes = []
    for part in ("valid", "test") if floors else ():
        best = max(floors, key=lambda row: row.score(part))
        below = [row.name for row in trained if row.score(part) <= best.score(part)]
        if below:
            value = f"{best.score(part):.4f}"
            notes.append(f"Not above the best floor, {best.method} ({part} NDCG@10 {value}): {'; '.join(below)}.")
    return notes
