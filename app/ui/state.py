"""State in the URL: what a page shows is addressable, and comes back when the reader returns to the page.

A value is looked for in the URL, then in what this tab last used, and is kept in both. Everything but the dataset
belongs to a dataset (`scope`), so a link to another one never meets a foreign item, run or session. Widgets show the
kept value and write to it from their callbacks; they hold no state of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import streamlit as st

from app.ui.text import plain


def recall(name: str, scope: str = "") -> str:
    """The value of a URL parameter, or what it last was in this tab; "" without either."""
    value = st.query_params.get(name)
    if value is None:
        value = st.session_state.get(_slot(name, scope), "")
    keep(name, value, scope)
    return value


def keep(name: str, value: str, scope: str = "") -> None:
    """Writes a value to the URL and to this tab's memory; "" takes it out of the URL."""
    st.session_state[_slot(name, scope)] = value
    if value and st.query_params.get(name) != value:
        st.query_params[name] = value
    elif not value:
        st.query_params.pop(name, None)


def forget_all_but_dataset() -> None:
    """Clears the URL for another dataset; what was chosen in the former one is remembered for a return."""
    st.query_params.from_dict({"dataset": st.session_state["dataset_choice"]})


def choice(
    label: str,
    options: Sequence[str],
    name: str,
    scope: str = "",
    *,
    shown: Callable[[str], str] = str,
    on_change: Callable[[], None] | None = None,
    **widget: Any,
) -> str:
    """A selectbox over at least one option whose value is the URL parameter `name`; the first option is the default.

    A value in the URL that is no option is named in a warning and then replaced by the default.
    """
    asked = recall(name, scope)
    if asked and asked not in options:
        st.warning(plain(f"There is no {label.lower()} “{asked}” here."), icon=":material/link_off:")
    value = asked if asked in options else options[0]
    keep(name, value, scope)
    key = f"{name}_choice"
    _show(key, value)

    def changed() -> None:
        keep(name, st.session_state[key], scope)
        if on_change is not None:
            on_change()

    return st.selectbox(label, options, format_func=shown, key=key, on_change=changed, **widget)


def view(label: str, options: Mapping[str, str], name: str, scope: str, *, default: str = "", labelled: bool = False) -> str:
    """Buttons of which one is chosen, whose value is the URL parameter `name`; the first option is the default.

    scope: the page, or what else the choice belongs to. options: value to what it is called. labelled: whether readers see
    the label, too.
    """
    asked = recall(name, scope)
    value = asked if asked in options else default or next(iter(options))
    keep(name, value if asked else "", scope)
    key = f"{name}_view"
    _show(key, value)
    st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        required=True,
        label_visibility="visible" if labelled else "collapsed",
        on_change=lambda: keep(name, st.session_state[key], scope),
    )
    return value


def switch(label: str, name: str, scope: str = "", **widget: Any) -> bool:
    """A toggle that is off by default, whose value is the URL parameter `name` ("1" where it is on)."""
    key = f"{name}_switch"
    st.session_state[key] = recall(name, scope) == "1"
    return st.toggle(label, key=key, on_change=lambda: keep(name, "1" if st.session_state[key] else "", scope), **widget)


def search_text(label: str, name: str, scope: str, *, on_change: Callable[[], None] | None = None, **widget: Any) -> str:
    """A search field that searches while one types; its text is the URL parameter `name`."""
    text = recall(name, scope)
    key = f"{name}_text"
    _show(key, text)

    def changed() -> None:
        keep(name, st.session_state[key], scope)
        if on_change is not None:
            on_change()

    st.text_input(label, key=key, type="search", live=True, on_change=changed, **widget)
    return text


def joined(values: Sequence[str]) -> str:
    """Several ids as one parameter: separated by commas, with commas and per cent signs inside them escaped."""
    return ",".join(value.replace("%", "%25").replace(",", "%2C") for value in values)


def separated(parameter: str) -> list[str]:
    """The ids of `joined`."""
    return [unquote(part) for part in parameter.split(",") if part]


def _slot(name: str, scope: str) -> str:
    return f"kept:{scope}:{name}"


def _show(key: str, value: str) -> None:
    """Sets a widget's value where it differs: setting an equal one would disturb somebody who is typing."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value
