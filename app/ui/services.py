"""Access to the engine: the one workspace of this process, and the recommenders that are ready to rank.

Everything else is read anew on every rerun, so that what the command line adds shows up with the next click.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from genair_engine import verbs
from genair_engine.workspace import Workspace

RECOMMENDERS_KEPT = 4
"""Trained models in memory at once, over all visitors."""


@st.cache_resource(show_spinner="Opening the workspace…")
def workspace() -> Workspace:
    """The workspace that the environment names. Raises WorkspaceError or InputError, which the guard shows."""
    return Workspace.open()


@st.cache_resource(max_entries=RECOMMENDERS_KEPT, show_spinner="Loading the trained model…")
def recommender(run: str) -> tuple[Any, Any]:
    """Dataset and recommender of a finished run, shared by all visitors; both only read."""
    return verbs.load_recommender(workspace(), run)
