"""What `analyse` and `project` are asked and answer: how item vectors spread, and pictures of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from genair_engine.analysis.projection import Method, Metric
from genair_engine.catalog.popularity import POPULARITY_GROUPS
from genair_engine.store.keys import content_key
from genair_engine.verbs.base import AsJob, Record, Request, Result, Verb, positional


class Space(Record):
    """A set of item vectors. kind: "trained", "fused" (several parts), "states", "metadata" (an encoder's), or else the name
    of the part. what: in words; width: columns; parts: whose vectors it holds, of a representation; deviations: where its run
    is not as in the paper.
    """

    space: str
    dataset: str
    kind: str
    what: str
    width: int
    parts: list[str]
    deviations: list[str]


ALL = 0
"""The group of all items, before the popularity groups 1…5."""


Order = Annotated[float, Field(gt=0, le=100)]


class AnalyseRequest(Request):
    """Measure how widely item vectors spread in each popularity group: entropy, effective rank, cosine, isotropy."""

    spaces: list[str] = positional("runs or representations (ID:prefill for a part), separated by commas", min_length=1)
    orders: list[Order] = Field([1.0], min_length=1, description="orders ρ of the entropy; 1 is the paper's")
    resamples: int = Field(200, ge=0, le=10_000, description="bootstrap resamples a group for the bands; 0: no bands")
    confidence: float = Field(0.95, gt=0, lt=1, description="confidence of the bands")
    centre: bool = Field(False, description="take the mean of all items' vectors away first; the paper does not")
    seed: int = Field(42, ge=0, description="seed of the resamples")

    def key(self, space: str) -> str:
        """Name of what is kept: orders and confidence follow from it."""
        return content_key(["spread", 1, space, self.resamples, self.centre, self.seed])


class Entropy(Record):
    """Entropy of order ρ in nats with its bootstrap band; none where none was asked for."""

    order: float
    value: float
    low: float | None
    high: float | None


class GroupSpread(Record):
    """A group's spread. group: 0 all items, 1 the least popular fifth … 5 the most popular one.

    least, most: training interactions of its items. bound: ln min(items, width), the largest entropy that there can be.
    effective_rank: exp of the entropy of order 1: so many directions of equal strength have it. cosine: mean over all pairs of
    items. isotropy: 0…1 (IsoScore). None where too few items are in the group.
    """

    group: int
    items: int
    least: int
    most: int
    bound: float | None
    entropies: list[Entropy]
    effective_rank: float | None
    cosine: float | None
    isotropy: float | None


class SpaceSpread(Space):
    """A space with the spread of its groups."""

    items: int
    groups: list[GroupSpread]


class AnalyseResult(Result):
    """spaces: in the order asked. centred, resamples, confidence, seed: how the numbers were obtained."""

    orders: list[float]
    resamples: int
    confidence: float
    centred: bool
    seed: int
    spaces: list[SpaceSpread]

    def lines(self) -> list[str]:
        lines = []
        for space in self.spaces:
            lines += [
                f"{space.space} on {space.dataset}: {space.what}, {space.items:,} items, {space.width} columns.",
                _HEADER,
            ]
            lines += [_line(group) for group in space.groups]
            if space.deviations:
                lines.append(f"  Not as in the paper: {'; '.join(space.deviations)}.")
        bands = (
            f"{self.confidence:.0%} bands from {self.resamples} resamples (seed {self.seed})" if self.resamples else "no bands"
        )
        mean = "without their mean" if self.centred else "not centred, as in the paper"
        return [*lines, f"  Entropy in nats, of at most ln min(items, columns); vectors {mean}; {bands}."]


_HEADER = "  group      items  taken        effective rank  cosine  isotropy  entropy"


def _in_words(entropy: Entropy) -> str:
    band = "" if entropy.low is None else f" [{entropy.low:.3f}, {entropy.high:.3f}]"
    return f"{entropy.value:.3f}{band} (ρ {entropy.order:g})"


def _line(group: GroupSpread) -> str:
    name = "all" if group.group == ALL else f"{group.group} of {POPULARITY_GROUPS}"
    taken = f"{group.least:,}–{group.most:,}"

    def number(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    entropies = ", ".join(_in_words(entropy) for entropy in group.entropies)
    rank, cosine = number(group.effective_rank, ".1f"), number(group.cosine, ".3f")
    return (
        f"  {name:8} {group.items:7,}  {taken:11}  {rank:>14}  {cosine:>6}  {number(group.isotropy, '.4f'):>8}  "
        f"{entropies or '–'}"
    )


MOST_POINTS = 60_000
"""Items of a picture that a browser still turns and zooms smoothly."""


class ProjectRequest(Request):
    """Project item vectors onto a plane, for the Embeddings page."""

    spaces: list[str] = positional("runs or representations (ID:prefill for a part), separated by commas", min_length=1)
    method: Method = Field("pca", description="pca keeps distances, tsne and umap keep neighbours")
    metric: Metric = Field("cosine", description="what is near, for tsne and umap")
    perplexity: float = Field(30.0, ge=2, le=500, description="about how many neighbours a point minds, for tsne")
    neighbours: int = Field(15, ge=2, le=500, description="nearest neighbours that the graph joins, for umap")
    min_distance: float = Field(0.1, ge=0, lt=1, description="how close points may come, for umap")
    points: int = Field(
        MOST_POINTS, ge=10, description="items at most; of a larger catalogue a sample that keeps groups' shares"
    )
    seed: int = Field(42, ge=0, le=2**32 - 1, description="seed of tsne, umap and the sample")

    def parameters(self) -> dict[str, Any]:
        """What this method's picture depends on, beside the vectors."""
        fields = {"pca": (), "tsne": ("metric", "perplexity"), "umap": ("metric", "neighbours", "min_distance")}[self.method]
        return self.model_dump(include={"method", "points", "seed", *fields})

    def key(self, space: str) -> str:
        return content_key(["projection", 1, space, self.parameters()])


class SpaceProjection(Record):
    """points: items that are in the picture, of so many; explained: variance along both axes (pca). computed: just now."""

    space: str
    dataset: str
    what: str
    points: int
    of: int
    explained: list[float] | None
    seconds: float
    computed: bool


class ProjectResult(Result):
    """parameters: of the method, with the seed."""

    method: str
    parameters: dict[str, Any]
    projections: list[SpaceProjection]

    def lines(self) -> list[str]:
        return [
            f"{projection.space}: {projection.points:,} of {projection.of:,} items by {self.method}, "
            + (f"computed in {projection.seconds:.1f} s." if projection.computed else "already there.")
            for projection in self.projections
        ]


ANALYSE = Verb(
    "analyse",
    AnalyseRequest,
    AnalyseResult,
    run="genair_engine.verbs.analysis.analyse:analyse",
    role="write",
    job=AsJob(
        lambda request: f"Spread of {', '.join(request.spaces)}",
        check="genair_engine.verbs.analysis.spaces:check_spaces",
    ),
)
PROJECT = Verb(
    "project",
    ProjectRequest,
    ProjectResult,
    run="genair_engine.verbs.analysis.project:project",
    role="write",
    job=AsJob(
        lambda request: f"Picture of {', '.join(request.spaces)} by {request.method}",
        check="genair_engine.verbs.analysis.spaces:check_spaces",
    ),
)
