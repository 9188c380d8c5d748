"""How a sweep is made: one run for each configuration with each seed, and the table of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import numpy as np

from genair_engine.cluster import placed, spread
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.evaluation.protocol import Protocol
from genair_engine.methods.config import RunConfig
from genair_engine.methods.floors import FLOORS
from genair_engine.methods.item_parts import PartOptions
from genair_engine.store import runs as rows
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.evaluation.measure import measure
from genair_engine.verbs.training.cells import Trained, train_or_reuse
from genair_engine.verbs.training.checks import check
from genair_engine.verbs.training.grid import Configuration, configurations, seeds_of
from genair_engine.verbs.training.load import load_item_parts
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
    """Every configuration with every seed: on a cluster at the same time, else one after another."""
    cells = [(configuration, seed) for configuration in wanted for seed in seeds]

    def tell(index: int, done: int, total: int, what: str) -> None:
        configuration, seed = cells[index]
        progress(done, total, f"{configuration.name}, seed {seed}: {what}")

    requests = [configuration.with_seed(seed) for configuration, seed in cells]
    with closing(spread(workspace, _run_or_reason, requests, tell, wanted[0].request.device)) as finished:
        outcomes = dict(finished)
    trained = [Trained(configuration) for configuration in wanted]
    for index, (_, seed) in enumerate(cells):
        of, run = trained[index // len(seeds)], outcomes[index]
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
    config, runs = trained.configuration.config, trained.runs
    seeds = [run.config["seed"] for run in runs]
    return SweepRow(
        backbone=config.backbone or "",
        method=config.method,
        loss=config.loss or "",
        variant=trained.configuration.variant,
        protocol=protocol_in_words(runs[0].protocol) if runs else "",
        setting=f"Loss {config.loss}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds)) or 'none finished'}",
        config={name: value for name, value in config.flat().items() if name != "seed"},
        deviations=runs[0].deviations if runs else config.departures(),
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
        options = RunConfig.of(**request.given()).options
        parts = load_item_parts(workspace, row)
        vectors = parts.read(options) if isinstance(options, PartOptions) else parts.vectors
    table = []
    wanted = [floor for floor in FLOORS.values() if vectors is not None or not floor.needs_representation]
    for number, floor in enumerate(wanted, start=1):
        measured = measure(floor(dataset, vectors), dataset, negatives, protocol)
        progress(number, len(wanted), f"floor {floor.name}")
        table.append(
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
    floors, trained = [row for row in table if not row.backbone], [row for row in table if row.backbone and row.metrics]
    notes = []
    for part in ("valid", "test") if floors else ():
        best = max(floors, key=lambda row: row.score(part))
        below = [row.name for row in trained if row.score(part) <= best.score(part)]
        if below:
            value = f"{best.score(part):.4f}"
            notes.append(f"Not above the best floor, {best.method} ({part} NDCG@10 {value}): {'; '.join(below)}.")
    return notes
