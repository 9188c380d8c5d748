"""Which dataset a page is about, and what a page says where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.ui import guards, navigation, services, state
from app.ui import jobs as ui
from genair_engine import jobs, verbs

OFFERED_RUNS = 100
"""Finished runs that a page offers, the newest."""


def choose() -> verbs.DatasetState:
    """The dataset picker (`?dataset=`); ends the page with an empty state when there is none."""
    datasets = {dataset.dataset: dataset for dataset in verbs.workspace_state(services.workspace()).datasets}
    if not datasets:
        empty_workspace()
        st.page_link(navigation.HOME, label="Home shows how far everything is", icon=":material/home:")
        st.stop()
    name = state.choice("Dataset", list(datasets), "dataset", on_change=state.forget_all_but_dataset)
    return datasets[name]


def ready_runs(dataset: str, asked: Sequence[str] = ()) -> list[verbs.RunResult]:
    """The newest runs that can recommend, newest first; behind them those that are asked for by name and are older."""
    newest = verbs.runs_of(services.workspace(), dataset, OFFERED_RUNS, ["done"])
    older = set(asked) - {run.run for run in newest}
    if not older:
        return newest
    return newest + verbs.runs_of(services.workspace(), dataset, states=["done"], names=sorted(older))


def empty_workspace() -> None:
    """What to do in a workspace without data; while the demo is being built, how far it is."""
    building = jobs.JobsRequest(states=[*ui.LIVE], kinds=["demo"])
    if jobs.jobs(services.workspace(), building).jobs:
        with st.container(border=True):
            st.subheader("The demo is being built", anchor=False, icon=":material/construction:")
            st.markdown(
                "It comes with this project: a made-up catalogue, two small language models that write its archetypes, and "
                "two recommenders trained on it. Each page can be used as soon as its part is there."
            )
        return
    with st.container(border=True):
        st.subheader("No catalogue yet", anchor=False, icon=":material/inventory_2:")
        st.markdown(
            "Start with the demo, which needs no download: a made-up catalogue, archetypes by two small language models, and "
            "two trained recommenders, in a few minutes."
        )
        st.button(
            "Build the demo",
            icon=":material/play_arrow:",
            type="primary",
            on_click=services.submit,
            args=("demo", verbs.DemoRequest()),
        )
        st.markdown(
            "Or import a catalogue with its interactions: LC-Rec JSON pairs, RecBole atomic files, CSV or Parquet. Do it "
            "from a terminal in the project's folder, then reload this page; it will show the next step."
        )
        guards.commands("import PATH --name NAME")
        st.caption("PATH is the dataset's folder, NAME is what it is called here.")
