"""Home: what is in the workspace, how far each dataset has come, what runs right now, and the ways in."""

from __future__ import annotations

import streamlit as st

from app.ui import datasets, guards, pipeline, services, tour
from app.ui import jobs as ui
from app.ui.text import plain
from genair_engine import verbs


def home(watch: ui.Watch) -> None:
    """All of the page: it looks again by itself, as jobs fill the workspace."""
    in_workspace = verbs.workspace_state(services.workspace()).datasets
    if in_workspace:  # the tour leads through the demo, or else through the dataset that has come furthest
        tour.cards(max(in_workspace, key=lambda state: (state.dataset == verbs.DEMO, state.ready_runs > 0, state.items)))
    else:
        datasets.empty_workspace()
    ui.now(watch)
    if in_workspace:
        st.subheader("Datasets", anchor=False)
    for dataset in in_workspace:
        with st.container(border=True, key=f"dataset_{dataset.dataset}"):
            st.markdown(f"#### {plain(dataset.dataset)}")
            if dataset.about:
                st.caption(plain(dataset.about.splitlines()[0]))
            pipeline.strip(dataset)
            pipeline.next_step(dataset)
            tour.links(dataset)


guards.heading(
    "GenAIR Studio",
    "Language models describe who each item is for; a recommender learns from these archetypes and from behaviour. "
    "Look at both here, compare them, and try the result.",
)
watch = ui.going_on()
guards.fragment(home, watch.every)(watch)
