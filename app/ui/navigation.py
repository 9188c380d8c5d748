"""The pages, one line each, in the order of the sidebar. A page is a file in `pages/` and its line in `PAGES`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import streamlit as st

# Paths are relative to the entry point's folder, as Streamlit wants them. Links from other pages use these names.
HOME = "../pages/home.py"
ITEMS = "../pages/items.py"
RECOMMEND = "../pages/recommend.py"
ARCHETYPES = "../pages/archetypes.py"
EMBEDDINGS = "../pages/embeddings.py"
TRAINING = "../pages/training.py"
JOBS = "../pages/jobs.py"


@dataclass(frozen=True)
class Page:
    """A page of the app. path: its file. icon: a Material symbol. help: what it is for, in a sentence.

    The file's name is its address: `../pages/items.py` is served under /items.
    """

    path: str
    title: str
    icon: str
    help: str


PAGES = (
    Page(HOME, "Home", "home", "What is in the workspace, how far each dataset has come, and the ways in."),
    Page(ITEMS, "Items", "inventory_2", "Search a catalogue, filter it by facets, and see all that is known about an item."),
    Page(RECOMMEND, "Recommend", "auto_awesome", "Build a session from items and see what a trained recommender ranks next."),
    Page(ARCHETYPES, "Archetypes", "diversity_3", "An item and its audiences by each language model, side by side."),
    Page(EMBEDDINGS, "Embeddings", "scatter_plot", "Pictures of the space of items: how far popular and rare ones spread."),
    Page(TRAINING, "Training", "model_training", "Launch training runs with an estimate, watch, stop and compare them."),
    Page(JOBS, "Jobs", "work_history", "Long work: what runs, what waits, what has ended; cancel, resume, logs and workers."),
)


def pages() -> list[st.Page]:
    """All pages for `st.navigation`; call it in a running script. The first one is where the app opens."""
    return [
        st.Page(
            page.path,
            title=page.title,
            icon=f":material/{page.icon}:",
            url_path=PurePosixPath(page.path).stem,
            default=page is PAGES[0],
            help=page.help,
        )
        for page in PAGES
    ]
