"""Recommend: what trained recommenders rank next after a session, for a new item, and for an audience in words."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.ui import datasets, guards, pipeline, state
from app.ui.recommend import asked, audience, lists, new_item
from app.ui.recommend import session as sessions
from app.ui.text import count, plain
from genair_engine import verbs

VIEWS = {
    "next": ":material/auto_awesome: What comes next",
    "new": ":material/fiber_new: New item",
    "audience": ":material/groups: Audience search",
}
COLUMNS = {1: [2, 3], 2: [1, 2], 3: [1, 3]}
"""Widths of the session and of what stands beside it, by the number of lists."""


def quality(runs: Sequence[verbs.RunResult]) -> None:
    """How good the runs are, and how that was measured."""
    with st.expander("How good are these models, and how was that measured", icon=":material/straighten:"):
        for run, name in zip(runs, asked.short_names(runs), strict=True):
            _quality(run, name)


def _quality(run: verbs.RunResult, name: str) -> None:
    config, protocol = run.config, run.protocol
    sampled = f"sampled{protocol['negatives']}"
    measured = [
        ("HR@10, all items", run.metrics["test"]["full"]["HR@10"]),
        ("NDCG@10, all items", run.metrics["test"]["full"]["NDCG@10"]),
        (f"HR@10, {protocol['negatives']} negatives", run.metrics["test"][sampled]["HR@10"]),
        (f"NDCG@10, {protocol['negatives']} negatives", run.metrics["test"][sampled]["NDCG@10"]),
    ]
    st.markdown(f"**{plain(name)}**")
    grid = st.grid(4, min_column_width=130)
    for label, value in measured:
        grid.metric(label, f"{value:.4f}")
    how = f"Not trained: {config['method']}, {verbs.METHODS[config['method']].purpose}."
    if "backbone" in config:
        vectors = plain(run.representation or "learnt by the run itself")
        how = (
            f"One training run: {config['backbone']} with {config['method']}, loss {config['loss']}, seed {config['seed']}, "
            f"best of {count(run.epochs, 'epoch')}: {run.best_epoch}; item vectors: {vectors}."
        )
    st.caption(
        f"Test items of the {protocol['split']} split, ranked among all items "
        f"{'without' if protocol['exclude_seen'] else 'with'} those that the user took before, and among "
        f"{protocol['negatives']} negatives a user drawn once (seed {protocol['negatives_seed']}). {how}"
    )
    if run.deviations:
        st.caption(plain(f"Preset {config.get('preset', 'corrected')}, not as in the paper: {'; '.join(run.deviations)}."))


guards.heading("Recommend", "Build a session from items and see what trained recommenders rank next.")
dataset = datasets.choose()
name = dataset.dataset
if not dataset.ready_runs:
    with st.container(border=True):
        st.markdown(
            "**No trained model for this dataset yet.** Do this in a terminal in the project's folder, then come back:"
        )
        pipeline.next_step(dataset)
    st.stop()
ready = datasets.ready_runs(name, asked.names(name))
runs = asked.runs(name, ready)
quality(runs)
view = state.view("View", VIEWS, "view", asked.PAGE)
session = sessions.chosen(name)

left, right = st.columns(COLUMNS[len(runs)], gap="large")
with left:
    st.subheader("Session", anchor=False, help="Items in the order in which somebody took them, the newest last.")
    sessions.editor(session)
    sessions.add_items(session)
with right:
    if view == "new":
        new_item.view(name, session, ready)
        st.stop()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = {"k": asked.size(), **asked.filters(name)}
        if view == "next":
            options["include_seen"] = asked.include_seen()
    if view == "audience":
        audience.view(dataset, session, runs, options)
    elif not session.items:
        st.info("Add at least one item to the session: the ranking appears here at once.", icon=":material/playlist_add:")
    else:
        lists.show(name, session, lists.rank(runs, asked.short_names(runs), session, options))
