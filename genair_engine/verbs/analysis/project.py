"""The verb `project`: item vectors as points of a plane, kept with their parameters and seed, and used again.

Every space is projected by itself. Several of them are shown side by side by turning each onto the first (`aligned`), so that
any of them can be combined without computing anything anew.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genair_engine.analysis import projection
from genair_engine.analysis.alignment import procrustes, stratified_sample, unit_size
from genair_engine.analysis.projection import Projected
from genair_engine.analysis.spread import contrast
from genair_engine.errors import InputError
from genair_engine.verbs.analysis import kept
from genair_engine.verbs.analysis.requests import ProjectRequest, ProjectResult, Space, SpaceProjection
from genair_engine.verbs.analysis.spaces import STATES, ItemVectors, find_space, load_vectors, share_of
from genair_engine.verbs.base import Progress, silent
from genair_engine.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Picture:
    """A space in the plane. items: [m] item 1…n of each point; points: [m, 2] of root-mean-square radius 1; of: items that the
    catalogue has. part: [m] 0 prefill, 1 decoding, for states; contrast: how these two differ (`analysis.spread.contrast`).
    agreement: with the picture that it was turned onto, 0…1; None where it was not.
    """

    space: Space
    items: npt.NDArray[np.int64]
    points: npt.NDArray[np.float64]
    of: int
    explained: list[float] | None
    seconds: float
    part: npt.NDArray[np.uint8] | None = None
    contrast: tuple[float, float, float] | None = None
    agreement: float | None = None


def project(workspace: Workspace, request: ProjectRequest, progress: Progress = silent) -> ProjectResult:
    """Compute the pictures that are not there yet. Raises NotFoundError, InputError, NonFiniteError."""
    spaces = [find_space(workspace, name) for name in request.spaces]
    done = []
    for number, space in enumerate(spaces):
        tell = share_of(progress, number, len(spaces), space)
        missing = kept.load(workspace, space, request.key(space.space)) is None
        if missing:
            _compute(workspace, request, space, tell)
        tell(1, 1, "projected")
        picture = stored_picture(workspace, request, space)
        assert picture is not None
        done.append(
            SpaceProjection(
                space=space.space,
                dataset=space.dataset,
                what=space.what,
                points=len(picture.items) // (2 if picture.part is not None else 1),
                of=picture.of,
                explained=picture.explained,
                seconds=picture.seconds,
                computed=missing,
            )
        )
    return ProjectResult(method=request.method, parameters=request.parameters(), projections=done)


def stored_picture(workspace: Workspace, request: ProjectRequest, space: Space) -> Picture | None:
    """The picture of a space with these parameters; None where it has not been computed. Takes milliseconds."""
    key = request.key(space.space)
    stored = kept.load(workspace, space, key)
    if stored is None:
        return None
    about = kept.about(workspace, space, key)
    return Picture(
        space=space,
        items=stored["items"],
        points=unit_size(stored["points"]),
        of=about["of"],
        explained=about["explained"],
        seconds=about["seconds"],
        part=stored.get("part"),
        contrast=tuple(about["contrast"]) if about["contrast"] else None,
    )


def aligned(pictures: Sequence[Picture]) -> list[Picture]:
    """The same pictures, each turned and mirrored onto the first one. They must show the same items."""
    if not pictures:
        return []
    first = pictures[0]
    turned = [first]
    for picture in pictures[1:]:
        if not np.array_equal(picture.items, first.items):
            raise InputError(
                f"{picture.space.space} and {first.space.space} do not show the same items: they cannot be aligned."
            )
        points, agreement = procrustes(first.points, picture.points)
        turned.append(Picture(**{**vars(picture), "points": points, "agreement": agreement}))
    return turned


def _compute(workspace: Workspace, request: ProjectRequest, space: Space, tell: Progress) -> None:
    started = time.perf_counter()
    loaded = load_vectors(workspace, space.space)
    dataset = workspace.load_dataset(space.dataset)
    shown = stratified_sample(dataset.popularity_group[1:], request.points, request.seed) + 1
    chosen = _rows_of(loaded, shown)
    projected = _projected(request, loaded.vectors[chosen], tell)
    arrays: kept.Arrays = {"items": loaded.items[chosen], "points": projected.points}
    differ = None
    if loaded.part is not None:
        arrays["part"] = loaded.part[chosen]
        differ = contrast(*np.split(loaded.vectors, 2))
    about = {
        **request.parameters(),
        "of": dataset.n_items,
        "explained": None if projected.explained is None else [float(share) for share in projected.explained],
        "contrast": differ,
        "seconds": time.perf_counter() - started,
    }
    kept.save(workspace, space, request.key(space.space), arrays, about)


def _rows_of(loaded: ItemVectors, items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The rows of these items, which are in ascending order; with states all prefill rows come first."""
    if loaded.space.kind != STATES:
        return items - 1
    return np.concatenate([items - 1, items - 1 + len(loaded.items) // 2])


def _projected(request: ProjectRequest, vectors: npt.NDArray[np.float32], tell: Progress) -> Projected:
    if request.method == "tsne":
        return projection.tsne(vectors, tell, perplexity=request.perplexity, metric=request.metric, seed=request.seed)
    if request.method == "umap":
        return projection.umap(
            vectors,
            tell,
            neighbours=request.neighbours,
            min_distance=request.min_distance,
            metric=request.metric,
            seed=request.seed,
        )
    return projection.pca(vectors)
