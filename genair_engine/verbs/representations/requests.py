"""What `represent` is asked and answers: the frozen item vectors that recommenders are trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genair_engine.verbs.base import AsJob, Request, Result, Verb, positional


class RepresentRequest(Request):
    """Make the item representation that a recommender is trained on."""

    dataset: str = positional("data set")
    model: str = Field(description="language model whose states to use, or an encoder such as minilm")
    archetypes: str | None = Field(
        None, description="for an encoder: embed the texts of this model (or set) as the decoding part"
    )
    parts: Literal["prefill", "decoding", "both"] | None = Field(
        None, description="which parts to keep; by default both where there are both"
    )
    title: bool = Field(False, description="for an encoder: embed the titles alone as one more part")
    variance: float | None = Field(0.95, gt=0, le=1, description="share of each part's variance that PCA keeps")
    components: int | None = Field(None, ge=1, description="fixed number of components a part, instead of a variance")
    ignore_pins: bool = Field(False, description="use the set's own archetypes, also where another one is pinned")


class RepresentResult(Result):
    """dims: columns a part; explained: share of variance they hold. pinned: items with the pinned archetype of another set."""

    dataset: str
    representation: str
    model: str
    archetypes: str | None
    items: int
    dims: dict[str, int]
    explained: dict[str, float]
    pinned: int

    def lines(self) -> list[str]:
        pins = f" {self.pinned:,} items have pinned archetypes of other sets." if self.pinned else ""
        parts = ", ".join(f"{part} {dim} columns ({self.explained[part]:.1%} of variance)" for part, dim in self.dims.items())
        return [
            f"Representation {self.representation} of {self.items:,} items of {self.dataset} by {self.model}: {parts}.{pins}"
        ]


REPRESENT = Verb(
    "represent",
    RepresentRequest,
    RepresentResult,
    run="genair_engine.verbs.representations.represent:represent",
    role="write",
    audited=True,
    job=AsJob(
        lambda request: f"Item vectors of {request.dataset} with {request.model}",
        check="genair_engine.verbs.datasets.imports:check_dataset",
        earlier="genair_engine.verbs.representations.represent:representation_of_job",
    ),
)
