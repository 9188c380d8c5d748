"""Several pictures of the same items made comparable: the same items in all, turned so that eyes can follow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genair_engine.types import Float64Array, IntArray


def unit_size(points: npt.NDArray[np.floating]) -> Float64Array:
    """[n, k] points about their centre, with a root-mean-square distance of 1 from it (or 0 where all are in one place)."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    radius = np.sqrt(np.square(centred).sum() / max(len(centred), 1))
    return np.asarray(centred / radius if radius > 0 else centred)


def procrustes(reference: npt.NDArray[np.floating], points: npt.NDArray[np.floating]) -> tuple[Float64Array, float]:
    """`points` [n, k] in unit size, rotated and mirrored as close to `reference` [n, k] as can be, and how close that is.

    Orthogonal Procrustes (Schönemann 1966): the rotation U Vᵀ of the singular value decomposition of pointsᵀ reference. The
    agreement is the sum of its singular values over n, a correlation: 1 for the same picture, near 0 for unrelated ones.
    """
    fixed, moved = unit_size(reference), unit_size(points)
    left, singular, right = np.linalg.svd(moved.T @ fixed / max(len(fixed), 1))
    return moved @ (left @ right), float(singular.sum())


def stratified_sample(groups: npt.NDArray[np.integer], most: int, seed: int) -> IntArray:
    """Indices, ascending, of at most `most` of the n members of groups [n], drawn from each group in proportion to its size.

    All of them where they are not more. Every k-th of the members in random order within sorted groups, so that a group's
    share is right to one member.
    """
    n = len(groups)
    if n <= most:
        return np.arange(n)
    shuffled = np.random.default_rng(seed).permutation(n)
    by_group = shuffled[np.argsort(groups[shuffled], kind="stable")]
    return np.sort(by_group[np.arange(most) * n // most])
