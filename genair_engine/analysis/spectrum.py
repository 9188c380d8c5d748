"""Matrix-based entropy: over how many directions a set of item vectors spreads (GenAIR appendix B.5, equations 24 and 25).

K = Z Zᵀ of the vectors Z [n, d], not centred, as in the paper; p_i = λ_i(K) / tr(K) sum to one, and their Rényi entropy of
order ρ is the entropy of Z. Zᵀ Z has the same eigenvalues above zero: the smaller of the two is taken. All in float64.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from genair_engine.errors import InputError
from genair_engine.pca import scatter
from genair_engine.types import Float64Array

Vectors = npt.NDArray[np.floating]

_NEARLY_ONE = 1e-6
"""Orders so close to 1 are taken for it: there the quotient of equation 25 has lost more digits than its limit is off."""


def gram(vectors: Vectors) -> Float64Array:
    """The smaller of Z Zᵀ [n, n] and Zᵀ Z [d, d] of vectors [n, d]."""
    n, d = vectors.shape
    if n > d:
        return scatter(vectors)
    rows = vectors.astype(np.float64)
    return rows @ rows.T


def spectrum(matrix: Float64Array) -> Float64Array:
    """[r] λ_i / tr(K) of a `gram` matrix, decreasing, with sum 1; r is the rank: what is only rounding is left out.

    Raises InputError where all vectors are zero, which have no direction.
    """
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    largest = eigenvalues[0] if len(eigenvalues) else 0.0
    if not largest > 0:
        raise InputError("These item vectors are all zero: they have no spread to measure.")
    kept = eigenvalues[eigenvalues > largest * len(eigenvalues) * np.finfo(np.float64).eps]
    return np.asarray(kept / kept.sum())


def entropy(shares: npt.NDArray[np.floating], order: float = 1.0) -> Float64Array:
    """Equation 25 in nats, of each row of shares [..., r] that sums to one; zeros are no directions. Shape [...].

    order: ρ > 0. 1 is the limit −Σ p ln p (Shannon); below it weak directions count for more, above it strong ones do.
    Between 0 (all vectors alike but for their length) and ln r (r directions of equal strength).
    """
    shares = np.asarray(shares, dtype=np.float64)
    logs = np.log(shares, out=np.full_like(shares, -np.inf), where=shares > 0)
    if abs(order - 1) < _NEARLY_ONE:
        return np.asarray(-np.multiply(shares, logs, out=np.zeros_like(shares), where=shares > 0).sum(axis=-1))
    scaled = order * logs
    largest = scaled.max(axis=-1, keepdims=True)
    return np.asarray((largest[..., 0] + np.log(np.exp(scaled - largest).sum(axis=-1))) / (1 - order))


def resampled_spectra(vectors: Vectors, resamples: int, random: np.random.Generator) -> Iterator[Float64Array]:
    """The spectra of so many bootstrap resamples of the rows (n of n with replacement), one after another.

    A row that is drawn k times counts k times: its outer product is weighted, so that only distinct rows are computed with.
    """
    n = len(vectors)
    for _ in range(resamples):
        drawn = np.bincount(random.integers(n, size=n), minlength=n)
        kept = np.flatnonzero(drawn)
        yield spectrum(gram(vectors[kept] * np.sqrt(drawn[kept])[:, None]))


def band(estimate: float, resampled: npt.NDArray[np.floating], confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of an entropy from resampled values [B], shifted so that their mean lies on the estimate.

    A resample holds about 63% of the rows, and fewer directions with them: its entropy is lower for that alone, most of all
    where n is not much larger than d. That is no doubt about the estimate, so that only the spread of the values is used.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled - resampled.mean(), [tail, 1 - tail])
    return float(estimate + low), float(estimate + high)
