"""Access to the engine: the one workspace of this process, and the recommenders that are ready to rank.

Everything else is read anew on every rerun, so that what the command line adds shows up with the next click.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.ui.text import plain
from genair_engine import jobs, verbs
from genair_engine.errors import InputError
from genair_engine.workspace import Workspace

RECOMMENDERS_KEPT = 4
"""Trained models in memory at once, over all visitors."""


@st.cache_resource(show_spinner="Opening the workspace…")
def workspace() -> Workspace:
    """The workspace that the environment names. Raises WorkspaceError or InputError, which the guard shows."""
    opened = Workspace.open()
    jobs.ensure_worker(opened)  # jobs that were left when the app stopped go on
    return opened


@st.cache_resource(max_entries=RECOMMENDERS_KEPT, show_spinner="Loading the trained model…")
def recommender(run: str) -> tuple[Any, Any]:
    """Dataset and recommender of a finished run, shared by all visitors; both only read."""
    return verbs.load_recommender(workspace(), run)


def submit(kind: str, request: verbs.Request) -> None:
    """A button's callback: queues a job, and starts a worker where one is needed. Tells why where it cannot run."""
    try:
        jobs.submit(workspace(), kind, request)
    except InputError as error:
        st.toast(plain(str(error)), icon=":material/error:", duration="long")
    jobs.ensure_worker(workspace())


def act(action: Callable[[Workspace, str], jobs.JobRecord], job: str) -> None:
    """A button's callback: cancels or resumes a job, and starts a worker where one is needed. Tells what went wrong."""
    try:
        action(workspace(), job)
    except InputError as error:  # it ended, or somebody else clicked, in the moment before
        st.toast(plain(str(error)), icon=":material/info:")
    jobs.ensure_worker(workspace())
