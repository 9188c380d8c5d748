"""Specificity: how far an archetype lies from the archetypes most like it, in the language model's own states."""

from __future__ import annotations

import numpy as np

from genair_engine.types import Float32Array, Float64Array

NEIGHBOURS = 10
_BLOCK = 1024


def specificity(vectors: Float32Array, neighbours: int = NEIGHBOURS) -> Float64Array:
    """[n] 1 − mean cosine of each row of vectors [n, m] (unit length, `vectors.directions`) to its nearest others, in 0 …
    2.

    0: other items have the same archetype. With fewer than `neighbours` others the mean is over all of them; a single item
    has nan. Exact and in blocks: n² · m multiplications, one block of rows against all in memory (n · 4 KB).
    """
    n = len(vectors)
    k = min(neighbours, n - 1)
    if k < 1:
        return np.full(n, np.nan)
    nearest = np.empty(n)
    for start in range(0, n, _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = -np.inf  # not itself
        nearest[start : start + _BLOCK] = np.partition(cosines, n - k, axis=1)[:, n - k :].mean(axis=1, dtype=np.float64)
    return np.clip(1.0 - nearest, 0.0, 2.0)
