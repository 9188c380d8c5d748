"""What `represent` is asked and answers: the frozen item vectors that recommenders are trained on."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from genair_engine.verbs.base import AsJob, ModelName, Request, Result, Verb, positional


class RepresentRequest(Request):
    """Make the item representation that a recommender is trained on."""

    dataset: str = positional("data set")
    model: ModelName = Field(description="language model whose states to use, or an encoder such as minilm")
    archetypes: str | None = Field(
        None, description="for an encoder: embed the texts of this model (or set) as the decoding part"
    )
    text: dict[str, str] = Field(
        {}, description="more texts, each as one more part: part's name = text set; may be given several times"
    )
    parts: list[str] | None = Field(
        None, description="which of prefill, decoding (both: the two of them) to keep; by default all that there are"
    )
    title: bool = Field(False, description="for an encoder: embed the titles alone as one more part")
    variance: float | None = Field(0.95, gt=0, le=1, description="share of each part's variance that PCA keeps")
    components: int | None = Field(None, ge=1, description="fixed number of components a part, instead of a variance")
    missing: Literal["refuse", "metadata", "mean"] = Field(
        "refuse",
        description="where an item has no text: refuse; read its metadata in the text's place; or take the mean of the "
        "others, which says nothing of it",
    )
    ignore_pins: bool = Field(False, description="use the set's own archetypes, also where another one is pinned")

    @field_validator("parts", mode="before")
    @classmethod
    def _one_or_both(cls, value: Any) -> Any:
        """A single name, as it was once given, and "both" for the two of the paper."""
        names = [value] if isinstance(value, str) else value
        return ["prefill", "decoding"] if names == ["both"] else names


class RepresentResult(Result):
    """dims: columns a part of the items; explained: share of variance they hold. others: columns a part of users or sessions.

    pinned: items with the pinned archetype of another set. missing: texts that something stands in for, a part. cut: texts of
    which the encoder read only the beginning, a part.
    """

    dataset: str
    representation: str
    model: str
    archetypes: str | None
    items: int
    dims: dict[str, int]
    explained: dict[str, float]
    others: dict[str, int]
    pinned: int
    missing: dict[str, int]
    cut: dict[str, int]
    instead: str | None

    def lines(self) -> list[str]:
        pins = f" {self.pinned:,} items have pinned archetypes of other sets." if self.pinned else ""
        parts = ", ".join(f"{part} {dim} columns ({self.explained[part]:.1%} of variance)" for part, dim in self.dims.items())
        stand_in = {"metadata": "their metadata was read instead", "mean": "the mean of the others stands for them"}
        return [
            f"Representation {self.representation} of {self.items:,} items of {self.dataset} by {self.model}: {parts}.{pins}",
            *(f"  {part}: {columns} columns, of users or sessions." for part, columns in self.others.items()),
            *(f"  {part}: {n:,} have no text; {stand_in[self.instead or '']}." for part, n in self.missing.items()),
            *(
                f"  {part}: {n:,} texts are longer than {self.model} reads: the rest was cut off."
                for part, n in self.cut.items()
            ),
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
