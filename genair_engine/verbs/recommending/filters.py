"""The filters of a ranking, as requests hold them: which items may be listed at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from genair_engine.catalog.popularity import POPULARITY_GROUPS
from genair_engine.errors import InputError
from genair_engine.verbs.base import Request

if TYPE_CHECKING:
    from genair_engine.catalog.dataset import Dataset
    from genair_engine.types import BoolArray


class FilteredRequest(Request):
    """A request whose answer may be narrowed to some items; every filter that is set must be passed."""

    category: str | None = Field(None, description="only items of this category")
    popularity_groups: list[int] = Field(
        [], description=f"only items of these popularity groups: 1 (least) … {POPULARITY_GROUPS} (most popular in training)"
    )
    price_from: float | None = Field(None, ge=0, description="only items with a known price of at least this")
    price_to: float | None = Field(None, ge=0, description="only items with a known price of at most this")

    @model_validator(mode="after")
    def _filters_can_pass(self) -> Self:
        if wrong := [group for group in self.popularity_groups if not 1 <= group <= POPULARITY_GROUPS]:
            raise ValueError(f"there is no popularity group {wrong[0]}: give numbers from 1 to {POPULARITY_GROUPS}")
        if self.price_from is not None and self.price_to is not None and self.price_from > self.price_to:
            raise ValueError(f"no price is from {self.price_from:g} to {self.price_to:g}: give the lower one first")
        return self

    @property
    def filters(self) -> dict[str, object]:
        """The filters that are set, by field."""
        fields = FilteredRequest.model_fields
        return {name: value for name in fields if (value := getattr(self, name)) not in (None, [])}

    def among(self, dataset: Dataset) -> BoolArray | None:
        """[n_items + 1] bool, the items that pass; None where no filter is set. Raises InputError where none passes."""
        passes = dataset.facets.among(self.category, self.popularity_groups, self.price_from, self.price_to)
        if passes is not None and not passes.any():
            filters = ", ".join(f"{name} {value}" for name, value in self.filters.items())
            raise InputError(f"No item of {dataset.name!r} passes the filters ({filters}): loosen one of them.")
        return passes
