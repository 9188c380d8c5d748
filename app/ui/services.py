"""Access to the engine: the one workspace of this process, and the recommenders and language models that are ready to work.

Everything else is read anew on every rerun, so that what the command line adds shows up with the next click.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from app.ui.text import plain
from genair_engine import jobs, verbs
from genair_engine.errors import GenairError
from genair_engine.workspace import Workspace

_TOLD = "told"
RECOMMENDERS_KEPT = 4
"""Trained models in memory at once, over all visitors."""


@st.cache_resource(show_spinner="Opening the workspace…")
def workspace() -> Workspace:
    """The workspace that the environment names. Raises WorkspaceError or InputError, which the guard shows."""
    opened = Workspace.open()
    jobs.queue_demo(opened)
    jobs.ensure_worker(opened)  # also jobs that were left when the app stopped go on
    return opened


@st.cache_resource(show_spinner=False)
def recommenders() -> verbs.Recommenders:
    """The runs that are ready to rank, shared by all visitors and by the HTTP API."""
    return verbs.Recommenders(workspace(), RECOMMENDERS_KEPT)


def recommender(run: str) -> Any:
    """A run that is ready to rank (`Recommender`); it stays in memory."""
    with st.spinner("Loading the trained model…"):  # shows itself only where it takes a while
        return recommenders().of(run)


@st.cache_resource(show_spinner=False)
def models() -> Any:
    """The language models and encoders that write and read while a visitor waits (`Models`), shared by all of them."""
    return verbs.Models(workspace().settings)


def writer(model: str, reader: str | None = None) -> Any:
    """A language model that is ready to write. reader: what reads the texts of a server's model."""
    with st.spinner("Loading the language model…"):  # shows itself only where it takes a while
        return models().writer(model, reader)


@contextmanager
def told_errors() -> Iterator[None]:
    """In a button's callback: tells what went wrong, an outage in that moment included, and the page goes on as it was."""
    try:
        yield
    except GenairError as error:
        tell(str(error), ":material/error:")


def tell(message: str, icon: str) -> None:
    """From a button's callback: a message that pops up with what is drawn next."""
    st.session_state.setdefault(_TOLD, []).append((message, icon))


def show_told() -> None:
    """Pops up what callbacks told; a message outlives a part of the page that has the whole page drawn anew."""
    for message, icon in st.session_state.pop(_TOLD, []):
        st.toast(plain(message), icon=icon, duration="long")


def submit(kind: str, request: verbs.Request) -> None:
    """A button's callback: queues a job, and starts a worker where one is needed. Tells why where it cannot run."""
    with told_errors():
        jobs.submit(workspace(), kind, request)
        jobs.ensure_worker(workspace())


def act(action: Callable[[Workspace, str], jobs.JobRecord], job: str) -> None:
    """A button's callback: cancels or resumes a job, and starts a worker where one is needed. Tells what went wrong."""
    with told_errors():
        action(workspace(), job)
        jobs.ensure_worker(workspace())
