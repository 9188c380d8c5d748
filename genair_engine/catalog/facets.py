"""What a list of items can be narrowed to: categories, popularity groups, prices; read from the catalogue's text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from genair_engine.types import BoolArray, Float64Array, IntArray

LONGEST_CATEGORY = 500
"""Characters of a category's name that are kept: a database's key holds no more."""

_AMOUNT = re.compile(r"\d{1,3}(?:[' \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d[\d.,]*")
_THOUSANDS = re.compile(r"[' \u00a0\u202f]")
_DECIMAL_COMMA = re.compile(r"^\d+,\d{1,2}$")


def single_categories(categories: str) -> list[str]:
    """The categories of a comma-separated field, in order, each once."""
    parts = (part.strip()[:LONGEST_CATEGORY] for part in categories.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def amount(text: str) -> float:
    """The first number of a price, in whatever currency: 18.5 of "$18.50", "18,50 EUR" and "from $18.50 to $30".

    NaN where there is none, such as "see price in cart".
    """
    number = _AMOUNT.search(text)
    if number is None:
        return float("nan")
    digits = _THOUSANDS.sub("", number[0]).rstrip(".,")
    if digits.rfind(",") > digits.rfind(".") and ("." in digits or _DECIMAL_COMMA.match(digits)):
        digits = digits.replace(".", "").replace(",", ".")  # 1.234,50 and 18,50
    digits = digits.replace(",", "")
    return float(digits) if digits.count(".") < 2 else float(digits.replace(".", ""))


class Facets:
    """A catalogue's items by what they can be filtered by; each facet is read when it is first asked for.

    items: [n_items] rows, as `Dataset.items`. popularity_group: [n_items + 1], as `Dataset.popularity_group`.
    """

    def __init__(self, items: pd.DataFrame, popularity_group: IntArray) -> None:
        self._items = items
        self._popularity_group = popularity_group

    @cached_property
    def prices(self) -> Float64Array:
        """[n_items] price of every item, NaN where the catalogue does not say."""
        prices = (next((value for key, value in fields.items() if key.lower() == "price"), "") for fields in self._attributes)
        return np.fromiter(map(amount, prices), dtype=np.float64, count=len(self._items))

    @cached_property
    def price_range(self) -> tuple[float, float] | None:
        """The lowest and the highest known price; None where the catalogue says none."""
        known = self.prices[~np.isnan(self.prices)]
        return (float(known.min()), float(known.max())) if len(known) else None

    @cached_property
    def category_counts(self) -> dict[str, int]:
        """Items of every category, those with most first."""
        counts = {name: len(rows) for name, rows in self._categories.items()}
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))

    @property
    def _attributes(self) -> Iterable[dict[str, str]]:
        return self._items["attributes"].tolist()

    @cached_property
    def _categories(self) -> dict[str, IntArray]:
        """Rows (from 0) of every category's items."""
        each = self._items["categories"].map(single_categories).reset_index(drop=True).explode().dropna()
        return {str(name): rows.to_numpy() for name, rows in each.index.to_series().groupby(each.to_numpy())}

    def among(
        self,
        category: str | None = None,
        popularity_groups: Sequence[int] = (),
        price_from: float | None = None,
        price_to: float | None = None,
    ) -> BoolArray | None:
        """[n_items + 1] bool: the items that pass every filter that is set (entry 0, padding, does not); None without one.

        popularity_groups: 1 (least) … 5 (most popular), any of them. Prices are inclusive; where one is asked for, items
        without a known price do not pass.
        """
        if category is None and not popularity_groups and price_from is None and price_to is None:
            return None
        passes = np.ones(len(self._items) + 1, dtype=bool)
        passes[0] = False
        if category is not None:
            of_category = np.zeros_like(passes)
            of_category[self._categories.get(category, np.empty(0, dtype=np.int64)) + 1] = True
            passes &= of_category
        if popularity_groups:
            passes &= np.isin(self._popularity_group, popularity_groups)
        if price_from is not None:
            passes[1:] &= self.prices >= price_from
        if price_to is not None:
            passes[1:] &= self.prices <= price_to
        return passes
