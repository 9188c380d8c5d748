"""Is one method better than another? Paired comparisons over users and over seeds.

Over users: both methods are measured on the same users, per-user differences are averaged over seeds first; this asks
whether the difference would hold for other users of the same kind, given these trained models. Over seeds: means over users
are compared seed by seed; this asks whether it would hold for another training run. A claim needs both.

The tests are the two-sided paired t-test of the paper, and the bootstrap of the mean difference (Efron & Tibshirani 1993,
sections 13.3 and 16.4; for retrieval Sakai, SIGIR 2006). Per-user metrics are discrete and skewed: with thousands of users
both agree, with few the bootstrap is the safer one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from genair_engine.errors import InputError

FloatArray = npt.NDArray[np.float64]
MIN_BOOTSTRAP = 10
"""Fewer pairs have under 100,000 distinct resamples, and an interval that is much too narrow."""
_CELLS = 1 << 21
"""Resampled values held at once."""
_ROUNDING = 1e-12
"""Values that differ by less, relative to their size, are equal: means over seeds taken in another order."""


@dataclass(frozen=True)
class Comparison:
    """Method a against method b on n pairs; difference = mean of a − b.

    t, p_t: two-sided paired t-test with n − 1 degrees of freedom; None with fewer than two pairs. interval, p_bootstrap: from
    the bootstrap; None with fewer than ten pairs. t is ± infinity and p_t 0 when all differences are the same and not 0, and
    0 and 1 when all are 0.
    """

    over: str
    n: int
    mean_a: float
    mean_b: float
    difference: float
    t: float | None
    p_t: float | None
    interval: tuple[float, float] | None
    p_bootstrap: float | None
    confidence: float

    @property
    def note(self) -> str:
        """What could not be tested, and why; "" when all could."""
        if self.n < 2:
            return f"{self.n} pair over {self.over}: nothing can be tested; a t-test needs two, a bootstrap {MIN_BOOTSTRAP}."
        if self.n < MIN_BOOTSTRAP:
            return f"{self.n} pairs over {self.over}: too few for a bootstrap (at least {MIN_BOOTSTRAP})."
        return ""


def over_users(
    a: npt.ArrayLike, b: npt.ArrayLike, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """Compares per-user metrics of two methods on the same users.

    a, b: [seeds, n_users] or [n_users] per-user values such as `metrics.ndcg(ranks, 10)`; the numbers of seeds may differ.
    Raises InputError when users differ, or a value is not finite.
    """
    first, second = _averaged(a), _averaged(b)
    return _compare("users", first, second, confidence, resamples, seed)


def over_seeds(
    a: npt.ArrayLike, b: npt.ArrayLike, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """Compares the metrics of whole runs, [n_seeds] each, paired by seed. Raises InputError as `over_users`."""
    return _compare("seeds", np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64), confidence, resamples, seed)


def paired_t(difference: FloatArray) -> tuple[float, float]:
    """t and two-sided p of the mean of `difference` ([n ≥ 2]) against 0, exact where the differences do not vary."""
    if np.ptp(difference) <= _ROUNDING * np.abs(difference).max():
        mean = float(difference[0])
        return (0.0, 1.0) if mean == 0 else (float(np.copysign(np.inf, mean)), 0.0)
    result = stats.ttest_1samp(difference, 0.0)
    return float(result.statistic), float(result.pvalue)


def bootstrap(
    difference: FloatArray, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[tuple[float, float], float]:
    """Percentile interval and two-sided p of the mean of `difference` ([n]); the same for the same seed.

    p = (1 + number of resampled means at least as far from the observed mean as that is from 0) / (1 + resamples): the
    resampled distribution moved to the hypothesis of no difference. It is never 0.
    """
    rng = np.random.default_rng(seed)
    n = len(difference)
    means = np.empty(resamples)
    block = max(1, _CELLS // n)
    for start in range(0, resamples, block):
        drawn = rng.integers(0, n, size=(min(block, resamples - start), n), dtype=np.int32)
        means[start : start + block] = difference[drawn].mean(axis=1)
    observed = difference.mean()
    tolerance = _ROUNDING * np.abs(difference).max()  # resampled means that are equal but for rounding are as far
    extreme = int((np.abs(means - observed) >= np.abs(observed) - tolerance).sum())
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return (float(low), float(high)), (1 + extreme) / (1 + resamples)


def _averaged(values: npt.ArrayLike) -> FloatArray:
    return np.atleast_2d(np.asarray(values, dtype=np.float64)).mean(axis=0)


def _compare(over: str, a: FloatArray, b: FloatArray, confidence: float, resamples: int, seed: int) -> Comparison:
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise InputError(f"A paired comparison needs the same {over} for both methods: found {a.shape} and {b.shape} values.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError(f"A paired comparison over {over} needs finite values.")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, not {confidence}.")
    difference = np.where(np.abs(a - b) <= _ROUNDING * np.maximum(np.abs(a), np.abs(b)), 0.0, a - b)
    n = len(difference)
    t, p_t = paired_t(difference) if n >= 2 else (None, None)
    interval, p_bootstrap = bootstrap(difference, confidence, resamples, seed) if n >= MIN_BOOTSTRAP else (None, None)
    return Comparison(
        over=over,
        n=n,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=float(difference.mean()),
        t=t,
        p_t=p_t,
        interval=interval,
        p_bootstrap=p_bootstrap,
        confidence=confidence,
    )
