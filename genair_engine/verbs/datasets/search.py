"""What `search` is asked and answers: items of a data set by words and filters, a page at a time, with facets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genair_engine.catalog.popularity import POPULARITY_GROUPS
from genair_engine.verbs.base import Http, Record, Request, Verb


class SearchRequest(Request):
    """Search a data set's items."""

    dataset: str
    text: str = ""
    brand: str | None = None
    category: str | None = None
    popularity_group: int | None = Field(None, ge=1, le=POPULARITY_GROUPS)
    has_archetype_from: str | None = None
    sort: Literal["relevance", "popularity", "title", "brand"] = "relevance"
    descending: bool = True
    limit: int = Field(50, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**31 - 1)


class Item(Record):
    """An item as lists show it. popularity: training interactions; popularity_group: 1 (least) … 5 (most popular)."""

    position: int
    item: str
    title: str
    brand: str
    categories: str
    popularity: int
    popularity_group: int


class ItemList(Record):
    """A page of items, how many match in all, and the values of every facet with their counts."""

    total: int
    items: list[Item]
    facets: dict[str, dict[str, int]]


SEARCH = Verb(
    "search",
    SearchRequest,
    ItemList,
    run="genair_engine.verbs.datasets.searching:search",
    http=Http("GET", "/api/items/search"),
    terminal=False,
)
