"""Errors and empty states: what a person reads where a page cannot show what it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import streamlit as st

from app.ui import services, state
from app.ui.text import plain
from genair_engine import verbs
from genair_engine.errors import GenairError

PYTHON = ".venv/bin/python -m genair_engine"


@contextmanager
def readable_errors() -> Iterator[None]:
    """Shows an engine error as what it is: a message to the reader. Anything else is a defect and keeps its traceback."""
    try:
        yield
    except GenairError as error:
        st.error(plain(str(error)), title="This did not work", icon=":material/error:")


def fragment(function: Callable[..., None], run_every: float | None = None) -> Callable[..., None]:
    """A part of a page that runs again by itself, every so many seconds or when something in it is used.

    Its own reruns do not pass through the entry point: it shows errors itself as the entry point does.
    """

    @wraps(function)
    def guarded(*arguments: Any) -> None:
        with readable_errors():
            function(*arguments)
        services.show_told()

    guarded_fragment: Callable[..., None] = st.fragment(guarded, run_every=run_every)
    return guarded_fragment


def heading(title: str, purpose: str) -> None:
    """A page's title with its purpose in one line, and what buttons had to tell."""
    services.show_told()
    st.title(title, anchor=False)
    st.caption(purpose)


def commands(*lines: str) -> None:
    """Commands to copy into a terminal, run from the project's folder."""
    st.code("\n".join(f"{PYTHON} {line}" for line in lines), language="bash", wrap_lines=True)


def empty_workspace() -> None:
    """What to do in a workspace without data."""
    with st.container(border=True):
        st.subheader("No catalogue yet", anchor=False, icon=":material/inventory_2:")
        st.markdown(
            "A catalogue comes with its interactions: LC-Rec JSON pairs, RecBole atomic files, CSV or Parquet. Import one "
            "from a terminal in the project's folder, then reload this page; it will show the next step."
        )
        commands("import PATH --name NAME")
        st.caption("PATH is the dataset's folder, NAME is what it is called here.")


def choose_dataset() -> verbs.DatasetState:
    """The dataset picker (`?dataset=`); ends the page with an empty state when there is none."""
    datasets = {one.dataset: one for one in verbs.workspace_state(services.workspace()).datasets}
    if not datasets:
        empty_workspace()
        st.stop()
    name = state.choice("Dataset", list(datasets), "dataset", on_change=state.forget_all_but_dataset)
    return datasets[name]
