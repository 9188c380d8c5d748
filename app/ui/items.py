"""Items as the pages show them: one line to pick from, a table, and the facts beside a title."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.ui import popularity, services, state
from app.ui.text import count, one_line, plain, title_of
from genair_engine import verbs
from genair_engine.errors import NotFoundError

SUGGESTIONS = 25
"""Items that a picker offers at a time."""


def label(item: verbs.Item) -> str:
    """An item on one line, as plain text."""
    brand = f" · {item.brand}" if item.brand else ""
    return one_line(f"{title_of(item.title, item.item)}{brand}", 110)


def matching(dataset: str, text: str, limit: int) -> list[verbs.Item]:
    """The best matches; without a text the most popular items."""
    return verbs.search(services.workspace(), verbs.SearchRequest(dataset=dataset, text=text, limit=limit)).items


def table(items: Sequence[verbs.Item]) -> pd.DataFrame:
    """A page of items for `st.dataframe` with `TABLE_COLUMNS`."""
    return pd.DataFrame(
        {
            "Title": [title_of(item.title, item.item) for item in items],
            "Popularity group": [popularity.name(item.popularity_group) for item in items],
            "Taken": [item.popularity for item in items],
            "Brand": [item.brand for item in items],
            "Categories": [item.categories for item in items],
            "Id": [item.item for item in items],
        }
    )


def table_columns() -> dict[str, object]:
    """How the columns of `table` look."""
    return {
        "Title": st.column_config.TextColumn(width=260),
        "Taken": st.column_config.NumberColumn(format="localized", help="Interactions in the training part."),
    }


def chosen(dataset: str, suggestion: str | None = None, kind: str = "archetype") -> verbs.ItemDetail | None:
    """The item that the URL names; without one the suggestion, or else the item with most texts of the kind, which stays.

    An id that does not exist is named in a warning, and there is no item.
    """
    asked = state.recall("item", dataset)
    try:
        detail = verbs.item_detail(services.workspace(), dataset, asked or suggestion, kind)
    except NotFoundError:
        st.warning("The item in the link does not exist in this dataset.", title="Unknown item", icon=":material/link_off:")
        st.text(f"Asked for: {one_line(asked)}")
        return None
    if suggestion is None:
        state.keep("item", detail.item.item, dataset)
    return detail


def picker(dataset: str, current: verbs.Item | None) -> None:
    """Search and choose one item; the choice goes to `?item=`."""
    left, right = st.columns(2, vertical_alignment="bottom")
    text = left.text_input(
        "Find an item", key="picker_text", type="search", live=True, placeholder="Title, brand or description"
    )
    matches = {item.item: item for item in matching(dataset, text or "", SUGGESTIONS)}
    if current is not None and not text:
        matches = {current.item: current, **matches}
    if not matches:
        right.text("Nothing matches.")
        return
    key = "picker_item"
    st.session_state[key] = current.item if current is not None and current.item in matches else None

    def changed() -> None:
        if st.session_state[key] is not None:
            state.keep("item", st.session_state[key], dataset)

    right.selectbox(
        f"Item ({count(len(matches), 'match', 'matches')} shown)",
        list(matches),
        format_func=lambda item: label(matches[item]),
        key=key,
        placeholder="Choose one",
        on_change=changed,
    )


def summary(item: verbs.Item) -> None:
    """Brand, popularity and group under a title."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if item.brand:
            st.text(item.brand)
        st.markdown(popularity.label(item.popularity_group), width="content")
        st.caption(f"taken {count(item.popularity, 'time')} in training", width="content")


def attributes(values: dict[str, str]) -> None:
    """An item's metadata, field by field."""
    for key, value in values.items():
        with st.container(gap=None):
            st.caption(plain(key))
            st.text(value)
    if not values:
        st.caption("The catalogue says nothing about this item.")
