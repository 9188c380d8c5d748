"""Items: search a catalogue, filter it by facets, and look at one item with everything known about it."""

from __future__ import annotations

import math
from functools import partial

import streamlit as st

from app.ui import datasets, guards, items, navigation, popularity, services, state
from app.ui.text import count, is_demo, one_line, plain, title_of
from genair_engine import verbs

PAGE_SIZE = 15
SORTS = {
    "": "Best match",
    "popularity": "Most popular",
    "-popularity": "Least popular",
    "-title": "Title A to Z",
    "-brand": "Brand A to Z",
}
"""Value in the URL to name; a minus sorts ascending."""
FACETS = {
    "category": ("category", "Category", "Any category"),
    "brand": ("brand", "Brand", "Any brand"),
    "group": ("popularity_group", "Popularity group", "Any popularity"),
    "from": ("has_archetype_from", "Archetype from", "With or without"),
}
"""URL parameter to the engine's facet, its label, and its name for no choice."""
GROUPS = [str(group) for group in range(1, len(popularity.NAMES) + 1)]


def asked_for(dataset: str, text: str, sort: str) -> verbs.SearchRequest:
    """The search that the URL describes, at its first page."""
    filters = {facet: state.recall(parameter, dataset) or None for parameter, (facet, _, _) in FACETS.items()}
    if filters["popularity_group"] not in GROUPS:
        filters["popularity_group"] = None
    return verbs.SearchRequest(
        dataset=dataset,
        text=text,
        sort=sort.removeprefix("-") or "relevance",
        descending=not sort.startswith("-"),
        limit=PAGE_SIZE,
        **filters,
    )


def choose_facet(dataset: str, parameter: str, counts: dict[str, int]) -> None:
    """One facet's picker with counts; a chosen value stays even where the rest of the question leaves it none."""
    facet, label, anything = FACETS[parameter]
    chosen = state.recall(parameter, dataset)
    if facet == "popularity_group":
        counts = {group: counts.get(group, 0) for group in GROUPS}
    elif chosen:
        counts = {chosen: 0, **counts}

    def shown(value: str) -> str:
        name = popularity.name(int(value)) if facet == "popularity_group" and value else value
        return f"{one_line(name, 60)} ({counts[value]:,})" if value else anything

    state.choice(label, ["", *counts], parameter, dataset, shown=shown, on_change=partial(state.keep, "page", "", dataset))


def choose_page(dataset: str, pages: int) -> int:
    """The page in the URL, within what there is; page numbers where there are several."""
    asked = state.recall("page", dataset)
    page = min(max(int(asked), 1), pages) if asked.isdecimal() else 1
    if pages > 1:
        key = f"items_page_{page}_of_{pages}"  # a new question starts anew, at the page in the URL

        def turned() -> None:
            state.keep("page", str(st.session_state[key]), dataset)

        st.pagination(pages, default=page, key=key, on_change=turned)
    return page


def result_table(dataset: str, page_items: list[verbs.Item]) -> None:
    """The page's items. A click on a row chooses one; the list below does the same for keyboard and screen reader."""
    ids = [item.item for item in page_items]
    key = f"items_table_{'_'.join(str(item.position) for item in page_items)}"  # another page starts without a selected row

    def clicked() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows:
            state.keep("item", ids[rows[0]], dataset)

    st.dataframe(
        items.table(page_items),
        key=key,
        hide_index=True,
        height="content",
        column_config=items.table_columns(),
        on_select=clicked,
        selection_mode="single-row",
        alt="Items: title, brand, categories, times taken in training, popularity group, id",
    )
    names = {item.item: items.label(item) for item in page_items}
    current = state.recall("item", dataset)
    st.session_state["items_pick"] = current if current in names else None

    def picked() -> None:
        if st.session_state["items_pick"] is not None:
            state.keep("item", st.session_state["items_pick"], dataset)

    st.selectbox(
        "Look at an item of this page",
        ids,
        format_func=names.__getitem__,
        key="items_pick",
        placeholder="Choose one, or click a row above",
        on_change=picked,
    )


def detail_card(dataset: str, detail: verbs.ItemDetail) -> None:
    """Everything known about one item."""
    item = detail.item
    st.subheader(plain(title_of(item.title, item.item)), anchor=False)
    items.summary(item)
    st.caption(f"Rank {detail.rank:,} of {detail.of:,} by interactions in the training part · id {plain(item.item)}")
    with st.container(horizontal=True):
        if st.button("Compare archetypes", key="item_compare", icon=":material/diversity_3:"):
            st.switch_page(navigation.ARCHETYPES, query_params={"dataset": dataset, "item": item.item})
        if st.button("Start a session with this", key="item_session", icon=":material/auto_awesome:", type="primary"):
            st.switch_page(navigation.RECOMMEND, query_params={"dataset": dataset, "session": state.joined([item.item])})
    with st.container(border=True):
        st.markdown("**Metadata**")
        items.attributes(detail.attributes)
    with st.container(border=True):
        st.markdown("**Archetypes**")
        for text in detail.archetypes:
            demo = " (demo)" if is_demo(text.model) else ""
            with st.container(gap=None):
                st.caption(plain(f"{text.model}{demo}, {count(text.generated_tokens, 'token')}"))
                st.text(one_line(text.text, 280) or "The model wrote nothing.")
        if not detail.archetypes:
            st.caption("No language model has written about this item yet.")


guards.heading("Items", "Search a catalogue, filter it, and look at one item with everything known about it.")
dataset = datasets.choose().dataset
back_to_first = partial(state.keep, "page", "", dataset)

question, order = st.columns([3, 1])
with question:
    words = "Words of title, brand, categories or description"
    text = state.search_text("Search", "q", dataset, placeholder=words, on_change=back_to_first)
with order:
    sort = state.choice("Sort by", list(SORTS), "sort", dataset, shown=SORTS.__getitem__, on_change=back_to_first)
request = asked_for(dataset, text, sort)
result = verbs.search(services.workspace(), request)
facets = st.grid(len(FACETS), min_column_width=140)
for parameter in FACETS:
    with facets.cell():
        choose_facet(dataset, parameter, result.facets[FACETS[parameter][0]])

table, card = st.columns([3, 2], gap="large")
with table:
    st.caption(f"{count(result.total, 'item')} found")
    if result.total:
        rows = st.container()
        page = choose_page(dataset, math.ceil(result.total / PAGE_SIZE))
        if page > 1:
            result = verbs.search(services.workspace(), request.model_copy(update={"offset": (page - 1) * PAGE_SIZE}))
        with rows:
            result_table(dataset, result.items)
    else:
        st.info("Nothing matches. Use fewer words, or take a filter back.", icon=":material/search_off:")
with card:
    detail = items.chosen(dataset, suggestion=result.items[0].item if result.items else None)
    if detail is not None:
        detail_card(dataset, detail)
