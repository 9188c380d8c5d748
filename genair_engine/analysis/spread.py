"""Angles and evenness of a set of item vectors, beside its entropy: mean pairwise cosine, and isotropy."""

from __future__ import annotations

import numpy as np

from genair_engine.analysis.spectrum import Vectors
from genair_engine.types import Float64Array


def mean_cosine(vectors: Vectors) -> float | None:
    """Mean cosine over all pairs of two different rows of [n, d]; rows that are zero have no angle and are left out.

    From the sum of the unit vectors, |Σ u|² = m + Σ_{i≠j} cos: no pair is formed. None with fewer than two rows.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    rows = np.flatnonzero(lengths)
    m = len(rows)
    if m < 2:
        return None
    total = (1 / lengths[rows].astype(np.float64)) @ vectors[rows]
    return float((total @ total - m) / (m * (m - 1)))


def isotropy(vectors: Vectors, matrix: Float64Array) -> float | None:
    """How evenly the rows of [n, d] vary in all d directions: 1 alike in all, 0 along a single one; None without variance.

    matrix: their `gram`. IsoScore (Rudman et al., Findings of ACL 2022): with the eigenvalues μ of the covariance it comes to
    (P − 1) / (d − 1), P = (Σ μ)² / Σ μ² the participation ratio, which needs only the covariance's trace and Frobenius norm.
    It is free of the mean, of rotation and of scale; n rows reach at most (n − 2) / (d − 1).
    """
    n, d = vectors.shape
    if d < 2 or n < 2:
        return None
    if n > d:
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = matrix - n * np.outer(mean, mean)
    else:
        means = matrix.mean(axis=0)
        centred = matrix - means - means[:, None] + means.mean()
    variance = float(np.trace(centred))
    if variance <= len(matrix) * np.finfo(np.float64).eps * float(np.trace(matrix)):
        return None  # all rows are the same
    return float((variance**2 / np.square(centred).sum() - 1) / (d - 1))


def contrast(first: Vectors, second: Vectors) -> tuple[float, float, float]:
    """How two vectors of each item, rows of [n, d] each, differ: (share nearer to their own kind, cosine, cosine of others).

    The share of all 2n vectors that lie nearer to the mean of their own kind than to that of the other: 0.5 where the kinds
    cannot be told apart so, 1 where a plane between them parts them. The mean cosine of an item's two vectors, and of one
    kind's vector with the other kind's of another item. n is at least 2.
    """
    n = len(first)
    means = first.mean(axis=0, dtype=np.float64), second.mean(axis=0, dtype=np.float64)
    across = means[0] - means[1]
    middle = float(across @ (means[0] + means[1]) / 2)
    own = float(((first @ across > middle).sum() + (second @ across < middle).sum()) / (2 * n))
    units = [
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny) for rows in (first, second)
    ]
    same = float(np.einsum("ij,ij->", units[0], units[1], dtype=np.float64))
    every = float(units[0].sum(axis=0, dtype=np.float64) @ units[1].sum(axis=0, dtype=np.float64))
    return own, same / n, (every - same) / (n * (n - 1))
