"""Home: what is in the workspace, how far each dataset has come, and the ways in."""

from __future__ import annotations

import streamlit as st

from app.ui import guards, navigation, pipeline, services
from app.ui import jobs as ui
from app.ui.text import plain
from genair_engine import verbs

WAYS_IN = (
    (
        "Compare archetypes",
        "Read what two language models say about who an item is for, side by side.",
        ":material/diversity_3:",
        navigation.ARCHETYPES,
    ),
    (
        "Try a session",
        "Put a few items together and see what a trained model recommends next.",
        ":material/auto_awesome:",
        navigation.RECOMMEND,
    ),
    (
        "Browse items",
        "Search a catalogue, filter it, and look at one item closely.",
        ":material/inventory_2:",
        navigation.ITEMS,
    ),
    (
        "See the space",
        "See where popular and rare items lie in a model's space, and pick a cluster of them.",
        ":material/scatter_plot:",
        navigation.EMBEDDINGS,
    ),
    (
        "Train a model",
        "Launch runs with estimates first, watch their curves, and compare them.",
        ":material/model_training:",
        navigation.TRAINING,
    ),
)

guards.heading(
    "GenAIR Studio",
    "Language models describe who each item is for; a recommender learns from these archetypes and from behaviour. "
    "Look at both here, compare them, and try the result.",
)
datasets = verbs.workspace_state(services.workspace()).datasets
if not datasets:
    guards.empty_workspace()
    st.stop()

# The ways in lead to the dataset that has come furthest.
furthest = max(datasets, key=lambda one: (bool(one.ready_runs), bool(one.archetype_sets), one.items))
for column, (title, purpose, icon, page) in zip(st.columns(len(WAYS_IN)), WAYS_IN, strict=True):
    with column.container(border=True, height="stretch"):
        st.markdown(f"**{title}**")
        st.caption(purpose)
        st.page_link(page, label=title, icon=icon, query_params={"dataset": furthest.dataset})

ui.now()
st.subheader("Datasets", anchor=False)
for dataset in datasets:
    with st.container(border=True, key=f"dataset_{dataset.dataset}"):
        st.markdown(f"#### {plain(dataset.dataset)}")
        pipeline.strip(dataset)
        pipeline.next_step(dataset)
        if len(datasets) > 1:
            links = st.container(horizontal=True)
            for title, _, icon, page in WAYS_IN:
                links.page_link(page, label=title, icon=icon, query_params={"dataset": dataset.dataset})
