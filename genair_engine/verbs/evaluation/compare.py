"""The verb `compare`: two groups of runs on one data set, paired over users and over seeds.

A group is usually one configuration trained with several seeds. What the two kinds of pairs answer is said in
`evaluation.significance`, which does the arithmetic; this module finds the runs' ranks and refuses what does not compare.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal

from pydantic import Field

from genair_engine.errors import InputError
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RunRow
from genair_engine.verbs.base import Progress, Record, Request, Result, silent
from genair_engine.verbs.training.runs import deviations_of
from genair_engine.workspace import Workspace

RESAMPLES = 10_000
"""Of the bootstrap."""
BOOTSTRAP_SEED = 0


class CompareRequest(Request):
    """Compare two groups of runs, usually one configuration each over several seeds."""

    a: list[str] = Field(min_length=1, description="runs of the first group")
    b: list[str] = Field(min_length=1, description="runs of the second group")
    metric: str = Field("NDCG@10", pattern=r"^(HR|NDCG|MRR)@[1-9]\d{0,5}$", description="HR@K, NDCG@K or MRR@K, for any K")
    protocol: Literal["full", "sampled"] = Field("full", description="full ranking, or the stored negatives")
    part: Literal["valid", "test"] = Field("test", description="held-out items that were ranked")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the bootstrap interval")


class RunGroup(Record):
    """Mean and standard deviation of the metric over the group's runs (sd: n − 1 in the denominator, None for one run).

    deviations: in words, where any of the runs is not as in the paper (`RunResult`).
    """

    runs: list[str]
    seeds: list[int]
    what: str
    mean: float
    sd: float | None
    deviations: list[str]


class PairedTest(Record):
    """A − B over n pairs, as `evaluation.significance.Comparison`; note says what could not be tested, and why."""

    n: int
    difference: float
    t: float | None
    p_t: float | None
    interval: tuple[float, float] | None
    p_bootstrap: float | None
    note: str


class CompareResult(Result):
    """differing: settings of the groups' first runs that are not equal, with representation, device and code_version, as
    [A's, B's]. users: per-user metrics, averaged over the runs of a group. seeds: means of runs with the same seed; None with
    fewer than two such pairs. difference: mean of A minus mean of B. resamples, bootstrap_seed: of the bootstrap.
    """

    dataset: str
    metric: str
    protocol: str
    part: str
    confidence: float
    resamples: int
    bootstrap_seed: int
    a: RunGroup
    b: RunGroup
    differing: dict[str, tuple[Any, Any]]
    difference: float
    users: PairedTest
    seeds: PairedTest | None
    notes: list[str]

    def lines(self) -> list[str]:
        head = f"{self.metric}, {self.part} items of {self.dataset}, {self.protocol}:"
        groups = [
            f"  {name}  {group.mean:.4f}{'' if group.sd is None else f' ± {group.sd:.4f}'}  {group.what}, "
            f"{len(group.runs)} run{'s' * (len(group.runs) > 1)} (seed {', '.join(map(str, group.seeds))})"
            for name, group in (("A", self.a), ("B", self.b))
        ]
        relative = f" ({self.difference / self.b.mean:+.1%})" if self.b.mean else ""
        tests = [self._test("users", self.users)] + ([self._test("seeds", self.seeds)] if self.seeds else [])
        differing = [f"{name} {a} / {b}" for name, (a, b) in self.differing.items()]
        if differing:
            groups.append(f"  A / B: {', '.join(differing)}")
        groups += [
            f"  {name} is not as in the paper: {'; '.join(group.deviations)}."
            for name, group in (("A", self.a), ("B", self.b))
            if group.deviations
        ]
        return [head, *groups, f"  A − B = {self.difference:+.4f}{relative}", *tests, *(f"  {note}" for note in self.notes)]

    def _test(self, over: str, test: PairedTest) -> str:
        parts = [f"  over {test.n:,} {over}: {test.difference:+.4f}"]
        if test.p_t is not None:
            parts.append(f"two-sided paired t-test p = {test.p_t:.2g}")
        if test.interval is not None and test.p_bootstrap is not None:
            low, high = test.interval
            parts.append(
                f"bootstrap {self.confidence:.0%} interval {low:+.4f} … {high:+.4f}, p = {test.p_bootstrap:.2g} "
                f"({self.resamples:,} resamples, seed {self.bootstrap_seed})"
            )
        return "; ".join(parts) + (f". {test.note}" if test.note else "")


def compare(
    workspace: Workspace,
    request: CompareRequest,
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> CompareResult:
    """Means of both groups, their difference, and whether it could be chance: over users, and over seeds where they match.

    Raises NotFoundError, and InputError for runs of different data sets or protocols, unfinished ones, a run that is in both
    groups, two runs of one seed in a group, and runs that have no ranks of single users.
    """
    from genair_engine.evaluation import significance
    from genair_engine.evaluation.metrics import METRICS
    from genair_engine.verbs.evaluation.measure import RANKS, load_ranks, sampled_name

    with workspace.reading() as session:
        found = {name: rows.find_run(session, name) for name in request.a + request.b}
        deviations = {name: deviations_of(run) for name, (run, _) in found.items()}
    dataset, protocol = _common_ground(request, found)
    name = "full" if request.protocol == "full" else sampled_name(protocol["negatives"])
    metric, k = request.metric.split("@")

    def per_user(run: str) -> Any:
        folder = workspace.fetch(f"{found[run][0].folder}/{RANKS}", optional=True).parent
        ranks = load_ranks(folder, run)[f"{request.part}.{name}"]
        return METRICS[metric](ranks, int(k))

    values = {run: per_user(run) for run in found}
    groups = [[found[run][0] for run in names] for names in (request.a, request.b)]
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


def _common_ground(request: CompareRequest, found: dict[str, tuple[RunRow, DatasetRow]]) -> tuple[str, dict[str, Any]]:
    """The data set's name and the protocol that all runs share. Raises InputError where they do not."""
    twice = sorted(run for run in found if (request.a + request.b).count(run) > 1)
    if twice:
        raise InputError(f"Run {twice[0]} is given twice: every run belongs to one group, once.")
    for run, _ in found.values():
        if run.state == "failed":
            raise InputError(f"Run {run.id} has failed: {run.error}. Only finished runs can be compared. Leave it out.")
        if run.state != "done":
            raise InputError(
                f"Run {run.id} is {run.state}: only finished runs can be compared. To finish it give `train` with its options "
                "again, or leave it out."
            )
    datasets = {owner.id: owner.name for _, owner in found.values()}
    if len(datasets) > 1:
        raise InputError(
            f"The runs are on different data sets ({', '.join(sorted(datasets.values()))}), whose users cannot be paired. "
            "Compare runs of one of them."
        )
    protocols = [run.protocol for run, _ in found.values()]
    if any(protocol != protocols[0] for protocol in protocols):
        differing = sorted(name for name in protocols[0] if any(one.get(name) != protocols[0][name] for one in protocols))
        raise InputError(
            f"The runs were evaluated by different protocols ({', '.join(differing)}), so their numbers say different things. "
            "Train those of the older version again, or leave them out."
        )
    for names in (request.a, request.b):
        of_seed: dict[int, str] = {}
        for name in names:
            seed = found[name][0].seed
            if seed in of_seed:
                raise InputError(
                    f"Runs {of_seed[seed]} and {name} are both of seed {seed}, and a group has one run a seed. Leave one out, "
                    "or compare them as two groups."
                )
            of_seed[seed] = name
    return next(iter(datasets.values())), protocols[0]


def _group(group: list[RunRow], means: list[float], deviations: list[list[str]]) -> RunGroup:
    import numpy as np

    first = group[0]
    return RunGroup(
        runs=[run.id for run in group],
        seeds=[run.seed for run in group],
        what=f"{first.backbone} with {first.method}, loss {first.loss}",
        mean=float(np.mean(means)),
        sd=float(np.std(means, ddof=1)) if len(means) > 1 else None,
        deviations=list(dict.fromkeys(itertools.chain.from_iterable(deviations))),
    )


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
