"""Principal axes of item vectors: the one PCA of the representation, of LLMInit and of projections to look at.

The entropy of item vectors is read off the same sums of outer products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_BLOCK = 4096  # rows that are held in float64 at a time


def principal_axes(rows: NDArray[np.floating]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean [d], sums of squares along the axes [m], decreasing, and axes [m, d], orthonormal, of finite rows [n, d].

    Computed in float64; in each axis the entry of the largest magnitude is positive, which makes signs the same on every
    machine. m is d where there are more rows than dimensions (from the d x d covariance, summed over blocks of rows, so that
    no float64 copy of the rows is made), else n (from the singular values of the centred rows).
    """
    n, d = rows.shape
    mean = rows.mean(axis=0, dtype=np.float64)
    if n <= d:
        _, singular, axes = np.linalg.svd(rows.astype(np.float64) - mean, full_matrices=False)
        sums = singular**2
    else:
        ascending, vectors = np.linalg.eigh(scatter(rows, mean))
        sums, axes = np.clip(ascending[::-1], 0, None), vectors.T[::-1]
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return mean, sums, axes * signs[:, None]


def scatter(rows: NDArray[np.floating], mean: FloatArray | float = 0.0) -> FloatArray:
    """[d, d] sum of outer products of the rows [n, d] less `mean`, in float64, without a float64 copy of all rows."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), _BLOCK):
        centred = rows[start : start + _BLOCK].astype(np.float64) - mean
        total += centred.T @ centred
    return total
