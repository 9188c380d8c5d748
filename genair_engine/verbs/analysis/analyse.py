"""The verb `analyse`: how widely item vectors spread, by popularity group (the paper's figure 5 d, appendix B.5).

What takes time are the spectra of the groups and of their bootstrap resamples. They are kept as an artifact, from which the
entropy of any order follows at once; what was measured with the same options is not measured again.
"""

from __future__ import annotations

import math
import time

import numpy as np
import numpy.typing as npt

from genair_engine.analysis.spectrum import band, entropy, gram, resampled_spectra, spectrum
from genair_engine.analysis.spread import isotropy, mean_cosine
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.popularity import POPULARITY_GROUPS
from genair_engine.verbs.analysis import kept
from genair_engine.verbs.analysis.kept import Arrays
from genair_engine.verbs.analysis.requests import ALL, AnalyseRequest, AnalyseResult, Entropy, GroupSpread, Space, SpaceSpread
from genair_engine.verbs.analysis.spaces import find_space, load_vectors, share_of
from genair_engine.verbs.base import Progress, silent
from genair_engine.workspace import Workspace

TOLD_EVERY = 10
"""Resamples between two reports of progress."""


def analyse(workspace: Workspace, request: AnalyseRequest, progress: Progress = silent) -> AnalyseResult:
    """Measure what is not measured yet, and say it all. Raises NotFoundError, InputError, NonFiniteError."""
    spaces = [find_space(workspace, name) for name in request.spaces]
    for number, space in enumerate(spaces):
        tell = share_of(progress, number, len(spaces), space)
        if kept.load(workspace, space, request.key(space.space)) is None:
            _keep(workspace, request, space, tell)
        tell(1, 1, "measured")
    return AnalyseResult(
        orders=request.orders,
        resamples=request.resamples,
        confidence=request.confidence,
        centred=request.centre,
        seed=request.seed,
        spaces=[spread for spread in (stored_spread(workspace, request, space) for space in spaces) if spread is not None],
    )


def stored_spread(workspace: Workspace, request: AnalyseRequest, space: Space) -> SpaceSpread | None:
    """The spread of a space as it was measured with these options; None where it was not yet. Takes milliseconds."""
    stored = kept.load(workspace, space, request.key(space.space))
    if stored is None:
        return None
    groups = [_group(request, stored, group) for group in range(POPULARITY_GROUPS + 1)]
    shared = space.model_dump()
    return SpaceSpread(**shared, items=groups[ALL].items, groups=[group for group in groups if group.items])


def _group(request: AnalyseRequest, stored: Arrays, group: int) -> GroupSpread:
    items, least, most, bound = (float(value) for value in stored["facts"][group])
    shares = stored.get(f"shares.{group}")
    entropies = []
    if shares is not None:
        resampled = stored.get(f"resampled.{group}")
        for order in request.orders:
            value = float(entropy(shares, order))
            low, high = band(value, entropy(resampled, order), request.confidence) if resampled is not None else (None, None)
            entropies.append(Entropy(order=order, value=value, low=low, high=high))
    cosine, even = (float(value) for value in stored["angles"][group])
    return GroupSpread(
        group=group,
        items=int(items),
        least=int(least),
        most=int(most),
        bound=bound if items else None,
        entropies=entropies,
        effective_rank=None if shares is None else math.exp(float(entropy(shares))),
        cosine=None if math.isnan(cosine) else cosine,
        isotropy=None if math.isnan(even) else even,
    )


def _keep(workspace: Workspace, request: AnalyseRequest, space: Space, tell: Progress) -> None:
    started = time.perf_counter()
    loaded = load_vectors(workspace, space.space)
    dataset = workspace.load_dataset(space.dataset)
    vectors = loaded.vectors - loaded.vectors.mean(axis=0) if request.centre else loaded.vectors
    arrays = measure(dataset, vectors, loaded.items, request.resamples, request.seed, tell)
    about = request.model_dump(include={"resamples", "centre", "seed"}) | {"seconds": time.perf_counter() - started}
    kept.save(workspace, space, request.key(space.space), arrays, about)


def measure(
    dataset: Dataset,
    vectors: npt.NDArray[np.float32],
    items: npt.NDArray[np.int64],
    resamples: int,
    seed: int,
    tell: Progress = silent,
) -> Arrays:
    """Spectra, angles and counts of all items and of each popularity group.

    vectors: [m, width]; items: [m] the item of each row. Returns, of group g (0: all): "shares.g" [r], "resampled.g"
    [resamples, r] padded with zeros, and a row g of "angles" (mean cosine, isotropy; NaN where there is none) and of "facts"
    (rows, least and most training interactions, ln min(rows, width)). A group of fewer than two rows, or of zeros, has no
    shares.
    """
    groups, taken = dataset.popularity_group[items], dataset.popularity[items]
    arrays: Arrays = {}
    angles = np.full((POPULARITY_GROUPS + 1, 2), np.nan)
    facts = np.zeros((POPULARITY_GROUPS + 1, 4))
    steps = (POPULARITY_GROUPS + 1) * (resamples + 1)
    for group in range(POPULARITY_GROUPS + 1):
        chosen = slice(None) if group == ALL else groups == group
        rows = vectors[chosen]
        if len(rows):
            counts = taken[chosen]
            facts[group] = len(rows), counts.min(), counts.max(), math.log(min(rows.shape))
        if len(rows) < 2 or not rows.any():
            continue
        of = "all items" if group == ALL else f"popularity group {group}"
        tell(group * (resamples + 1), steps, f"spread of {of}")
        matrix = gram(rows)
        shares = spectrum(matrix)
        arrays[f"shares.{group}"] = shares
        angles[group] = [math.nan if value is None else value for value in (mean_cosine(rows), isotropy(rows, matrix))]
        if resamples:
            resampled = np.zeros((resamples, min(rows.shape)), dtype=np.float32)
            random = np.random.default_rng([seed, group])
            for number, shares_again in enumerate(resampled_spectra(rows, resamples, random)):
                resampled[number, : len(shares_again)] = shares_again
                if (number + 1) % TOLD_EVERY == 0:
                    tell(group * (resamples + 1) + number + 1, steps, f"resample {number + 1} of {of}")
            arrays[f"resampled.{group}"] = resampled
    return {**arrays, "angles": angles, "facts": facts}
