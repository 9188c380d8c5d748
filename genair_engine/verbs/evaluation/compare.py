"""The verb `compare`: two groups of runs on one data set, paired over users and over seeds.

A group is usually one configuration trained with several seeds. What the two kinds of pairs answer is said in
`evaluation.significance`, which does the arithmetic. What is asked and answered is here, how it is done in `comparing`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from genair_engine.verbs.base import Record, Request, Result, Verb


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
            f"{len(group.runs)} run{'s' * (len(group.runs) > 1)} (seed {', '.join(map(str, group.seeds)) or '–'})"
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


COMPARE = Verb("compare", CompareRequest, CompareResult, run="genair_engine.verbs.evaluation.comparing:compare")
