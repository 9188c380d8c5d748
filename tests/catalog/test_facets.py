"""What lists of items can be narrowed to."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.facets import amount, single_categories
from genair_engine.catalog.sequences import Sequences

PRICES = ["$18.50", "18,50 EUR", "from $3 to $30", "1,234.50", "1.234,50 €", "1,234", "$1.299.000", "12.", "see in cart", ""]
OTHERS = {"CHF 1'299.50": 1299.5, "1 299,00 kr": 1299.0, "1\u00a0299": 1299.0, "18 USD": 18.0}
AMOUNTS = [18.5, 18.5, 3.0, 1234.5, 1234.5, 1234.0, 1299000.0, 12.0, np.nan, np.nan]
CATEGORIES = ["Tools", "Tools, Saws", "", "Glass,Tools", "Glass", "Saws,Saws", "Tools ,", "Glass", "Glass, Cups", "Cups"]


@pytest.fixture
def shop() -> Dataset:
    items = pd.DataFrame(
        {
            "item_id": [f"i{row}" for row in range(10)],
            "title": "",
            "categories": CATEGORIES,
            "attributes": [{"Price": price} if price else {} for price in PRICES],
        }
    )
    return Dataset("shop", items, Sequences.from_lists([[1, 2, 3], [4, 5, 6, 1]]), ["u", "v"])


@pytest.mark.parametrize(("price", "expected"), [*zip(PRICES, AMOUNTS, strict=True), *OTHERS.items()])
def test_the_first_number_of_a_price(price: str, expected: float) -> None:
    np.testing.assert_equal(amount(price), expected)


@given(st.text(max_size=30))
def test_any_text_has_an_amount_or_none(text: str) -> None:
    assert not amount(text) < 0


def test_each_category_once() -> None:
    assert single_categories("Tools,Electrical, Tools , ,") == ["Tools", "Electrical"]


@pytest.mark.parametrize("category", [None, "Tools", "Glass", "Saws", "Cups", "Shoes"])
@pytest.mark.parametrize("groups", [[], [1], [2, 5]])
@pytest.mark.parametrize(("low", "high"), [(None, None), (12, None), (None, 18.5), (4, 2000)])
def test_every_filter_must_be_passed(shop: Dataset, category: str | None, groups: list[int], low: float, high: float) -> None:
    passing = shop.facets.among(category, groups, low, high)
    if category is None and not groups and low is None and high is None:
        assert passing is None
        return
    expected = [
        (category is None or category in single_categories(CATEGORIES[row]))
        and (not groups or shop.popularity_group[row + 1] in groups)
        and (low is None or AMOUNTS[row] >= low)
        and (high is None or AMOUNTS[row] <= high)
        for row in range(10)
    ]
    assert passing is not None and passing.tolist() == [False, *expected]
