"""The pages, in the order of the sidebar. Paths are relative to the entry point's folder, as Streamlit wants them."""

from __future__ import annotations

import streamlit as st

HOME = "../pages/home.py"
ITEMS = "../pages/items.py"
RECOMMEND = "../pages/recommend.py"
ARCHETYPES = "../pages/archetypes.py"
EMBEDDINGS = "../pages/embeddings.py"
TRAINING = "../pages/training.py"
JOBS = "../pages/jobs.py"


def pages() -> list[st.Page]:
    """All pages; call it in a running script."""
    return [
        st.Page(
            HOME,
            title="Home",
            icon=":material/home:",
            url_path="home",
            default=True,
            help="What is in the workspace, how far each dataset has come, and the ways in.",
        ),
        st.Page(
            ITEMS,
            title="Items",
            icon=":material/inventory_2:",
            url_path="items",
            help="Search a catalogue, filter it by facets, and look at one item with everything known about it.",
        ),
        st.Page(
            RECOMMEND,
            title="Recommend",
            icon=":material/auto_awesome:",
            url_path="recommend",
            help="Build a session from items and see what a trained recommender ranks next.",
        ),
        st.Page(
            ARCHETYPES,
            title="Archetypes",
            icon=":material/diversity_3:",
            url_path="archetypes",
            help="One item and the audiences that each language model describes for it, side by side.",
        ),
        st.Page(
            EMBEDDINGS,
            title="Embeddings",
            icon=":material/scatter_plot:",
            url_path="embeddings",
            help="The space that items live in: pictures of it, and how widely popular and rare items spread.",
        ),
        st.Page(
            TRAINING,
            title="Training",
            icon=":material/model_training:",
            url_path="training",
            help="Launch training runs from a form with estimates, watch their curves, stop, resume and compare them.",
        ),
        st.Page(
            JOBS,
            title="Jobs",
            icon=":material/work_history:",
            url_path="jobs",
            help="Long work: what runs, what waits, what has ended; cancel, resume, logs and workers.",
        ),
    ]
