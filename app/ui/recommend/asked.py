"""What is asked of the recommenders: which runs, how many items, and which items may be listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.ui import popularity, services, spaces, state
from app.ui import runs as training
from app.ui.text import count, plain
from genair_engine import verbs

PAGE = "recommend"
SIDE_BY_SIDE = 3
SIZES = {number: number for number in ("5", "10", "20", "50")}


def names(dataset: str) -> list[str]:
    """The runs that a link or an earlier choice asks for (`?run=`)."""
    return list(dict.fromkeys(state.separated(state.recall("run", dataset))))


def runs(dataset: str, offered: Sequence[verbs.RunResult]) -> list[verbs.RunResult]:
    """Up to three of the finished runs; by default one on IDs beside one with archetypes, as alike as can be."""
    on_ids = [name for name, method in verbs.METHODS.items() if method.tags.trained and not method.needs]
    ready = {run.run: run for run in offered}
    asked = names(dataset)
    if missing := [run for run in asked if run not in ready]:
        message = f"There is no run {', '.join(f'“{run}”' for run in missing)} here."
        st.warning(plain(message), icon=":material/link_off:")
    known = [run for run in asked if run in ready][:SIDE_BY_SIDE]
    alike = spaces.comparable(offered, (on_ids, verbs.rank_new_items()))
    wanted = known or [run.run for run in alike] or [next(iter(ready))]
    state.keep("run", state.joined(wanted), dataset)
    key = "run_choice"
    if st.session_state.get(key) != wanted:
        st.session_state[key] = wanted

    st.multiselect(
        f"Trained models, up to {SIDE_BY_SIDE} side by side",
        list(ready),
        format_func=lambda run: training.name(ready[run]),
        key=key,
        max_selections=SIDE_BY_SIDE,
        on_change=lambda: state.keep("run", state.joined(st.session_state[key]), dataset),
    )
    return [ready[run] for run in wanted]


def short_names(chosen: Sequence[verbs.RunResult]) -> list[str]:
    """What runs are called over their lists: as short as they can be told apart."""
    names = [" · ".join(run.config[part] for part in ("backbone", "method") if part in run.config) for run in chosen]
    return [f"{name} · {run.run[-8:]}" if names.count(name) > 1 else name for name, run in zip(names, chosen, strict=True)]


def size() -> int:
    """How many items a list shows (`?k=`)."""
    return int(state.view("Items to show", SIZES, "k", PAGE, default="10", labelled=True))


def include_seen() -> bool:
    """Whether items of the session may be recommended again (`?seen=1`)."""
    return state.switch("Items of the session, too", "seen", PAGE, help="By default they are left out, as in evaluation.")


def filters(dataset: str) -> dict[str, Any]:
    """The filters of `FilteredRequest` that are set (`?category=`, `?groups=`, `?from=`, `?to=`)."""
    filters_set = _of_link(dataset)
    label = f"Filters ({count(len(filters_set), 'is', 'are')} set)" if filters_set else "Filters"
    opened = st.popover(label, icon=":material/filter_alt:", key="filters", on_change="rerun")
    if opened.open:
        with opened:
            _edit(dataset, filters_set)
    return filters_set


def _of_link(dataset: str) -> dict[str, Any]:
    """The filters that the link names; what is no filter is left out."""
    groups = [int(group) for group in state.recall("groups", _scope(dataset)).split(",") if group in set("12345")]
    prices = {f"price_{end}": _number(state.recall(end, _scope(dataset))) for end in ("from", "to")}
    if None not in prices.values() and prices["price_from"] > prices["price_to"]:  # type: ignore[operator]
        st.warning("The lowest price is above the highest: prices are not filtered.", icon=":material/filter_alt_off:")
        prices = {}
    given = {"category": state.recall("category", _scope(dataset)) or None, "popularity_groups": groups, **prices}
    return {name: value for name, value in given.items() if value not in (None, [])}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _edit(dataset: str, filters_set: dict[str, Any]) -> None:
    """The fields of the filters, and a button that clears them. filters_set: those that are set."""
    facets = services.workspace().load_dataset(dataset).facets
    categories = facets.category_counts
    scope = _scope(dataset)
    if categories:
        state.choice(
            "Category",
            ["", *categories],
            "category",
            scope,
            shown=lambda category: f"{category} ({categories[category]:,})" if category else "Any category",
        )
    key = "filter_groups"
    st.session_state[key] = filters_set.get("popularity_groups", [])
    st.pills(
        "Popularity groups",
        range(1, len(popularity.NAMES) + 1),
        selection_mode="multi",
        format_func=popularity.name,
        key=key,
        on_change=lambda: state.keep("groups", ",".join(map(str, st.session_state[key])), scope),
    )
    if facets.price_range is not None:
        _prices(dataset, *facets.price_range)
    st.button("Clear the filters", key="filters_clear", icon=":material/filter_alt_off:", on_click=_clear, args=(dataset,))


def _prices(dataset: str, lowest: float, highest: float) -> None:
    ends = st.columns(2)
    for column, end, label in zip(ends, ("from", "to"), ("Price from", "to"), strict=True):
        key = f"filter_{end}"
        st.session_state[key] = _number(state.recall(end, _scope(dataset)))
        column.number_input(
            label,
            min_value=0.0,
            key=key,
            placeholder=f"{lowest if end == 'from' else highest:,.2f}",
            on_change=_keep_price,
            args=(dataset, end, key),
        )
    st.caption("With a price set, items whose price is not known are left out.")


def _keep_price(dataset: str, end: str, key: str) -> None:
    value = st.session_state[key]
    state.keep(end, "" if value is None else repr(value), _scope(dataset))


def _clear(dataset: str) -> None:
    for name in ("category", "groups", "from", "to"):
        state.keep(name, "", _scope(dataset))


def _scope(dataset: str) -> str:
    """Other pages filter by parameters of the same names."""
    return f"{dataset}/{PAGE}"
