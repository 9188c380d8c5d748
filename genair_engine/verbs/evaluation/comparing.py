"""How two groups of runs are compared: users' ranks are read from the runs' folders, what cannot be paired is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from genair_engine.errors import InputError
from genair_engine.evaluation import significance
from genair_engine.evaluation.metrics import METRICS
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RunRow
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.evaluation.compare import CompareRequest, CompareResult, PairedTest, RunGroup
from genair_engine.verbs.evaluation.measure import RANKS, load_ranks, sampled_name
from genair_engine.verbs.training.runs import deviations_of
from genair_engine.workspace import Workspace

RESAMPLES = 10_000
"""Of the bootstrap."""
BOOTSTRAP_SEED = 0


def compare(
    workspace: Workspace,
    request: CompareRequest,
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> CompareResult:
    """Means of both groups, their difference, and whether it could be chance: over users, and over seeds where they match.

    Raises NotFoundError, and InputError for runs of different data sets or protocols, unfinished ones, a run that is in both
    groups, two runs of one seed in a group, and runs that have no ranks of single users.
    """
    with workspace.reading() as session:
        runs = {name: rows.find_run(session, name) for name in request.a + request.b}
        deviations = {name: deviations_of(run) for name, (run, _) in runs.items()}
    dataset, protocol = _common_ground(request, runs)
    name = "full" if request.protocol == "full" else sampled_name(protocol["negatives"])
    metric, k = request.metric.split("@")

    def per_user(run: str) -> Any:
        folder = workspace.fetch(f"{runs[run][0].folder}/{RANKS}", optional=True).parent
        ranks = load_ranks(folder, run)[f"{request.part}.{name}"]
        return METRICS[metric](ranks, int(k))

    values = {run: per_user(run) for run in runs}
    groups = [[runs[run][0] for run in names] for names in (request.a, request.b)]
    a, b = (
        _group(group, [float(values[run.id].mean()) for run in group], [deviations[run.id] for run in group])
        for group in groups
    )
    bootstrap: dict[str, Any] = {"confidence": request.confidence, "resamples": RESAMPLES, "seed": BOOTSTRAP_SEED}
    users = significance.over_users([values[run] for run in request.a], [values[run] for run in request.b], **bootstrap)
    common = sorted(set(a.seeds) & set(b.seeds))
    seeds = None
    if len(common) >= 2:
        of_seed = [{run.seed: float(values[run.id].mean()) for run in group} for group in groups]
        pairs = [[means[seed] for seed in common] for means in of_seed]
        seeds = _test(significance.over_seeds(pairs[0], pairs[1], **bootstrap))
    notes = [
        f"Group {name} mixes configurations: its runs differ in {', '.join(mixed)}."
        for name, group in zip("AB", groups, strict=True)
        if (mixed := dict.fromkeys(setting for run in group[1:] for setting in _differing(group[0], run)))
    ]
    if seeds is None:
        notes.append(f"Over seeds nothing can be tested: that needs two seeds that both groups have, here are {len(common)}.")
    return CompareResult(
        dataset=dataset,
        metric=request.metric,
        protocol=name,
        part=request.part,
        confidence=request.confidence,
        resamples=RESAMPLES,
        bootstrap_seed=BOOTSTRAP_SEED,
        a=a,
        b=b,
        differing=_differing(groups[0][0], groups[1][0]),
        difference=a.mean - b.mean,
        users=_test(users),
        seeds=seeds,
        notes=notes,
    )


def _common_ground(request: CompareRequest, runs: dict[str, tuple[RunRow, DatasetRow]]) -> tuple[str, dict[str, Any]]:
    """The data set's name and the protocol that all runs share. Raises InputError where they do not."""
    twice = sorted(run for run in runs if (request.a + request.b).count(run) > 1)
    if twice:
        raise InputError(f"Run {twice[0]} is given twice: every run belongs to one group, once.")
    for run, _ in runs.values():
        if run.state == "failed":
            raise InputError(f"Run {run.id} has failed: {run.error}. Only finished runs can be compared. Leave it out.")
        if run.state != "done":
            raise InputError(
                f"Run {run.id} is {run.state}: only finished runs can be compared. To finish it give `train` with its options "
                "again, or leave it out."
            )
    datasets = {owner.id: owner.name for _, owner in runs.values()}
    if len(datasets) > 1:
        raise InputError(
            f"The runs are on different data sets ({', '.join(sorted(datasets.values()))}), whose users cannot be paired. "
            "Compare runs of one of them."
        )
    protocols = [run.protocol for run, _ in runs.values()]
    if any(protocol != protocols[0] for protocol in protocols):
        differing = sorted(
            name for name in protocols[0] if any(protocol.get(name) != protocols[0][name] for protocol in protocols)
        )
        raise InputError(
            f"The runs were evaluated by different protocols ({', '.join(differing)}), so their numbers say different things. "
            "Train those of the older version again, or leave them out."
        )
    for names in (request.a, request.b):
        of_seed: dict[int | None, str] = {}
        for name in names:
            run = runs[name][0]
            seed = run.seed if _has_seed(run) else None
            if seed in of_seed:
                both = "without a seed" if seed is None else f"of seed {seed}"
                raise InputError(
                    f"Runs {of_seed[seed]} and {name} are both {both}, and a group has one run a seed. Leave one out, "
                    "or compare them as two groups."
                )
            of_seed[seed] = name
    return next(iter(datasets.values())), protocols[0]


def _group(group: list[RunRow], means: list[float], deviations: list[list[str]]) -> RunGroup:
    first = group[0]
    return RunGroup(
        runs=[run.id for run in group],
        seeds=[run.seed for run in group if _has_seed(run)],
        what=f"{first.backbone} with {first.method}, loss {first.loss}" if first.backbone else first.method,
        mean=float(np.mean(means)),
        sd=float(np.std(means, ddof=1)) if len(means) > 1 else None,
        deviations=list(dict.fromkeys(itertools.chain.from_iterable(deviations))),
    )


def _has_seed(run: RunRow) -> bool:
    """What is not trained has none: nothing in it is drawn at random."""
    return "seed" in run.config


def _differing(a: RunRow, b: RunRow) -> dict[str, tuple[Any, Any]]:
    """Settings but the seed that are not equal; None where a run of an earlier version does not have one."""
    first, second = (
        {"representation": run.representation_id}
        | run.config
        | {"seed": None, "device": run.device, "code_version": run.code_version}
        for run in (a, b)
    )
    names = dict.fromkeys([*first, *second])
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}


def _test(comparison: Any) -> PairedTest:
    return PairedTest(**{name: getattr(comparison, name) for name in PairedTest.model_fields})
