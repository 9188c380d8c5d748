"""Archetypes as directions: the decoding states, freed of what all of them share.

Mean states of a language model are anisotropic: they lie in a narrow cone, so that any two have a cosine near 1. As in
"all-but-the-top" (Mu & Viswanath, ICLR 2018) the mean is taken off and then the strongest principal axes, one for each
hundred dimensions, which carry what the texts have in common. At most `AXES` of the following axes are kept: they hold
nearly all of the variance, and 60,000 items are compared in seconds a block. No axis is scaled: whitening would blow up
noise, and with few items it makes all of them equally far from each other.
"""

from __future__ import annotations

import numpy as np

from genair_engine.pca import principal_axes
from genair_engine.types import Float32Array

AXES = 256
DIMENSIONS_A_TOP_AXIS = 100
ITEMS_A_TOP_AXIS = 10
"""With few items no more than one axis is taken off for so many of them."""


def directions(states: Float32Array) -> Float32Array:
    """[n, m] unit vectors of states [n, d], m ≤ 256; a state that nothing distinguishes from the mean is all zero.

    Expects finite states. One item, or items that are all alike, give zeros.
    """
    n, d = states.shape
    mean, sums, axes = principal_axes(states)
    top = min(round(d / DIMENSIONS_A_TOP_AXIS), n // ITEMS_A_TOP_AXIS)
    kept = axes[top : top + AXES].astype(np.float32)
    rows = (states - mean.astype(np.float32)) @ kept.T
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scale = float(np.sqrt(sums.sum() / max(n, 1)))  # root mean squared distance from the mean: below its rounding is nothing
    nothing = lengths <= 1e-6 * max(scale, float(np.abs(mean).max(initial=0.0)))
    return np.where(nothing, 0.0, rows / np.where(nothing, 1.0, lengths)).astype(np.float32)
