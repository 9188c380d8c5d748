"""Errors, headings and commands: what a person reads on every page, and where one cannot show what it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import streamlit as st

from app.ui import services
from app.ui.text import plain
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
