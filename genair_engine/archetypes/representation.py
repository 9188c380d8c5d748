"""From a language model's states to the frozen item representation E: PCA of each part, concatenated (GenAIR eq. 6-7).

The paper keeps 95% of the variance; its public code keeps 384 components and fails on small catalogues (methods.md
3.5 #12). Both are offered, and any number of items works. Means and bases are part of the result, so that a new item
gets its row without fitting again (zero-shot cold start, methods.md 3.4). Components keep their own variances:
nothing is scaled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genair_engine.errors import InputError, NonFiniteError
from genair_engine.pca import principal_axes
from genair_engine.types import Float32Array

_ROUNDING = 1e-9  # a part of the variance below this is rounding of float32 states, not a direction in the data


@dataclass(frozen=True)
class PartBasis:
    """PCA of one part. mean: [d]; components: [k, d], orthonormal; explained_ratio: [k], decreasing. All float32."""

    mean: Float32Array
    components: Float32Array
    explained_ratio: Float32Array


@dataclass(frozen=True)
class Representation:
    """The item representation and what projects a new item into it.

    vectors: float32 [n, sum of k]: the parts side by side. bases: part -> its PCA, in the order of the columns.
    """

    vectors: Float32Array
    bases: dict[str, PartBasis]

    def project(self, states: Mapping[str, Float32Array], names: Sequence[str] = ()) -> Float32Array:
        """[m, sum of k] rows of m items from their states, part -> [m, d]. Raises InputError, NonFiniteError."""
        return project_parts(self.bases, states, names)

    def arrays(self) -> dict[str, Float32Array]:
        """Flat arrays for an artifact: "vectors", "PART.mean", "PART.components", …"""
        parts = {f"{part}.{field}": getattr(basis, field) for part, basis in self.bases.items() for field in _BASIS_FIELDS}
        return {"vectors": self.vectors, **parts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32Array], parts: Iterable[str]) -> Representation:
        """The inverse of `arrays`. parts: their names, in the order of the columns; one whose basis was not stored has none.

        Raises InputError where an array is missing.
        """
        try:
            bases = {
                part: PartBasis(**{field: arrays[f"{part}.{field}"] for field in _BASIS_FIELDS})
                for part in parts
                if f"{part}.mean" in arrays
            }
            return cls(vectors=arrays["vectors"], bases=bases)
        except KeyError as error:
            raise InputError(f"The stored representation lacks the array {error.args[0]!r}: build it again.") from error


_BASIS_FIELDS = ("mean", "components", "explained_ratio")


def represent(
    states: Mapping[str, Float32Array],
    *,
    variance: float | None = 0.95,
    components: int | None = None,
    names: Sequence[str] = (),
) -> Representation:
    """Fits every part and projects the items that it was fitted on.

    states: part -> [n, d_part], the same n items in each; their order is that of the columns. variance, components: as in
    `fit_part`. names: what errors call the items (id and title), n of them. Raises InputError, NonFiniteError.
    """
    if not states:
        raise InputError("A representation is made of parts of its items; got no part.")
    bases = {}
    for part in states:
        check_finite(states[part], f"the {part} states", names)
        bases[part] = fit_part(states[part], variance, components, part=part)
    return Representation(project_parts(bases, states, names), bases)


def fit_part(
    states: Float32Array, variance: float | None = 0.95, components: int | None = None, *, part: str = "item"
) -> PartBasis:
    """PCA of states [n, d], which must be finite.

    k is min(components, n - 1, d) where `components` is given, else the smallest number whose components together hold
    `variance` of the whole (0 < variance <= 1). Directions that hold nothing (rank below k) are left out. Signs are
    deterministic (`pca.principal_axes`).
    Raises InputError on fewer than two items, on states that are all alike, and on options out of range.
    """
    if components is None and (variance is None or not 0 < variance <= 1):
        raise InputError(f"variance must be above 0 and at most 1, got {variance}.")
    if components is not None and components < 1:
        raise InputError(f"components must be at least 1, got {components}.")
    n, d = states.shape
    if n < 2:
        raise InputError(f"PCA of the {part} states needs at least two items, got {n}.")
    mean, variances, directions = principal_axes(states)
    total = float(variances.sum())
    scale = float(np.abs(mean).max()) or 1.0
    if total <= n * d * (np.finfo(np.float32).eps * scale) ** 2:
        raise InputError(f"The {part} states of all {n} items are the same: there is nothing to tell items apart by.")
    ratio = variances / total
    rank = int((ratio > _ROUNDING).sum())
    if components is None:
        components = int(np.searchsorted(ratio.cumsum(), (variance or 1.0) - _ROUNDING)) + 1
    k = min(components, n - 1, d, rank)
    return PartBasis(
        mean=mean.astype(np.float32),
        components=directions[:k].astype(np.float32, order="C"),  # safetensors stores memory as it lies
        explained_ratio=ratio[:k].astype(np.float32),
    )


def project(basis: PartBasis, states: Float32Array) -> Float32Array:
    """[n, k] coordinates of states [n, d] in the basis."""
    return np.asarray((states - basis.mean) @ basis.components.T, dtype=np.float32)


def project_parts(
    bases: Mapping[str, PartBasis], states: Mapping[str, Float32Array], names: Sequence[str] = ()
) -> Float32Array:
    """[n, sum of k]: the coordinates of each part of `bases`, side by side. Raises InputError, NonFiniteError."""
    columns = []
    for part, basis in bases.items():
        if part not in states or states[part].shape[1] != basis.mean.shape[0]:
            got = states[part].shape[1] if part in states else "none"
            raise InputError(f"The representation needs {part} states of width {basis.mean.shape[0]}, got {got}.")
        check_finite(states[part], f"the {part} states", names)
        columns.append(project(basis, states[part]))
    if len({len(column) for column in columns}) > 1:
        raise InputError(f"The parts hold different numbers of items: {[len(column) for column in columns]}.")
    return np.concatenate(columns, axis=1)


def part_scales(vectors: Float32Array, widths: Sequence[int]) -> Float32Array:
    """[sum of widths] what each column is divided by so that all parts have a root mean square of 1 (methods.md 3.5 #18).

    Parts of different encoders or models differ in scale by orders of magnitude; so does what a projector with the usual
    initial weights makes of them. widths: columns of the parts, in order. A part that is all zero stays so.
    """
    parts = np.split(vectors, np.cumsum(widths)[:-1], axis=1)
    scales = [float(np.sqrt(np.square(part, dtype=np.float64).mean())) or 1.0 for part in parts]
    return np.repeat(np.array(scales, dtype=np.float32), widths)


def check_finite(values: Float32Array, what: str, names: Sequence[str] = ()) -> None:
    """Raises NonFiniteError that names the first row of values [n, d] that is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        first = names[bad[0]] if names else f"row {bad[0]}"
        raise NonFiniteError(
            f"NaN or infinity in {what} of {first} ({len(bad)} of {len(values)} rows): generate or encode these again."
        )
