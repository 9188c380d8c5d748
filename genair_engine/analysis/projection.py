"""Item vectors as points of a plane: PCA, t-SNE (van der Maaten & Hinton 2008), UMAP (McInnes et al. 2018).

PCA keeps distances as far as two axes can. The other two keep neighbours; neither the sizes of clusters nor the gaps between
them mean much. Both start from the PCA picture, which keeps more of the whole than a random start (Kobak & Linderman 2021),
and work on the 50 leading components. scikit-learn and umap-learn (whose numba compiles for seconds) are imported lazily.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from genair_engine.errors import InputError
from genair_engine.pca import principal_axes
from genair_engine.types import Float32Array, Float64Array

Method = Literal["pca", "tsne", "umap"]
Metric = Literal["cosine", "euclidean"]
Tell = Callable[[int, int, str], None]

LEADING = 50
"""Components that t-SNE and UMAP work on."""
FEWEST = 5
"""Points that have neighbours to keep."""
TSNE_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class Projected:
    """points: [n, 2]. explained: [2] shares of the variance along both axes, for PCA only."""

    points: Float32Array
    explained: Float32Array | None = None


def pca(vectors: npt.NDArray[np.floating]) -> Projected:
    """The two axes of the largest variance. With a rank below two the rest is zero."""
    points, sums = _leading(vectors, 2)
    total = float(sums.sum())
    shares = np.zeros(2)
    shares[: min(2, len(sums))] = sums[:2] / total if total > 0 else 0.0
    return Projected(np.pad(points, ((0, 0), (0, 2 - points.shape[1]))), shares.astype(np.float32))


def tsne(vectors: npt.NDArray[np.floating], tell: Tell, *, perplexity: float, metric: Metric, seed: int) -> Projected:
    """Neighbours by Barnes-Hut t-SNE. perplexity: about how many neighbours a point minds, at most (n − 1) / 3."""
    from sklearn.manifold import TSNE

    rows = _prepared(vectors, metric)
    start = pca(rows).points
    spread = float(start[:, 0].std())
    model = TSNE(
        perplexity=min(perplexity, (len(rows) - 1) / 3),
        init=start / spread * 1e-4 if spread > 0 else "random",
        max_iter=TSNE_ITERATIONS,
        random_state=seed,
        verbose=2,
        n_jobs=-1,
    )
    heard = _Listener(r"Iteration (\d+):", lambda match: tell(int(match[1]), TSNE_ITERATIONS, f"t-SNE, iteration {match[1]}"))
    tell(0, TSNE_ITERATIONS, "t-SNE looks for neighbours")
    with contextlib.redirect_stdout(heard):  # there is no callback
        points = model.fit_transform(rows)
    return Projected(np.asarray(points, dtype=np.float32))


def umap(
    vectors: npt.NDArray[np.floating], tell: Tell, *, neighbours: int, min_distance: float, metric: Metric, seed: int
) -> Projected:
    """Neighbours by UMAP; exact nearest neighbours, one thread, so that a seed gives the same picture again."""
    from sklearn.neighbors import NearestNeighbors

    rows = _prepared(vectors, metric)
    epochs = 500 if len(rows) <= 10_000 else 200  # umap-learn's own choice
    wanted = min(neighbours, len(rows) - 1)
    tell(0, epochs, "UMAP looks for neighbours")
    distances, indices = NearestNeighbors(n_neighbors=wanted, algorithm="brute", n_jobs=-1).fit(rows).kneighbors(rows)
    tell(0, epochs, "UMAP compiles, which takes a moment")
    from umap import UMAP

    start = pca(rows).points
    largest = float(np.abs(start).max())
    heard = _Listener(
        r"(\d+)/(\d+)", lambda match: tell(int(match[1]), int(match[2]), f"UMAP, epoch {match[1]} of {match[2]}")
    )
    model = UMAP(
        n_neighbors=wanted,
        min_dist=min_distance,
        n_epochs=epochs,
        init=start * (10 / largest) if largest > 0 else "random",
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(indices, distances.astype(np.float32)),
        tqdm_kwds={"file": heard, "disable": False, "bar_format": "{n_fmt}/{total_fmt}", "mininterval": 0.5},
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn")  # new points are not mapped here
        points = model.fit_transform(rows)
    return Projected(np.asarray(points, dtype=np.float32))


class _Listener(io.TextIOBase):
    """A stream that looks for a pattern in what a library prints while it works, and calls `on_match` with each match."""

    def __init__(self, pattern: str, on_match: Callable[[Any], None]) -> None:
        self.pattern, self.on_match = re.compile(pattern), on_match

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        match = self.pattern.search(text)
        if match:
            self.on_match(match)
        return len(text)


def _prepared(vectors: npt.NDArray[np.floating], metric: Metric) -> Float32Array:
    """[n, at most 50] rows whose Euclidean distances stand for the metric: of unit vectors they order as cosines do."""
    if len(vectors) < FEWEST:
        raise InputError(f"t-SNE and UMAP need at least {FEWEST} items, there are {len(vectors)}: use PCA.")
    if metric == "cosine":
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(lengths > 0, lengths, 1)
    return _leading(vectors, LEADING)[0]


def _leading(vectors: npt.NDArray[np.floating], count: int) -> tuple[Float32Array, Float64Array]:
    """[n, at most count] coordinates on the leading principal axes, and the sums of squares along all axes."""
    mean, sums, axes = principal_axes(vectors)
    return np.asarray((vectors - mean.astype(np.float32)) @ axes[:count].T.astype(np.float32)), sums
