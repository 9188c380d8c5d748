"""The guided ways in: three things to look at, each a link with its state, so that it can be sent to a colleague."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.ui import navigation, state
from genair_engine import verbs

NEW_PARENTS = ("D0048", "D0078", "D0041")
"""A session in the demo: a high chair, a stroller and a play mat."""


@dataclass(frozen=True)
class Stop:
    """One thing to look at. query: the state of the link; ready: whether there is something to see yet, `waits_for` what."""

    title: str
    purpose: str
    icon: str
    page: str
    query: dict[str, str]
    ready: bool
    waits_for: str


def stops(dataset: verbs.DatasetState) -> list[Stop]:
    """The ways into a dataset; into the demo, with a story."""
    demo = dataset.dataset == verbs.DEMO
    written = any(archetypes.items for archetypes in dataset.archetype_sets)
    return [
        Stop(
            "Compare archetypes",
            "Who is a baby's sun hat for? Two language models answer, one at length, one in a few words: the case study of "
            "the GenAIR paper."
            if demo
            else "Read what language models say about who an item is for, side by side.",
            ":material/diversity_3:",
            navigation.ARCHETYPES,
            {"item": verbs.SUN_HAT} if demo else {},
            written,
            "archetypes",
        ),
        Stop(
            "Try a session",
            "Somebody took a high chair, a stroller and a play mat. What would a recommender that knows archetypes show next?"
            if demo
            else "Put a few items together and see what a trained model recommends next.",
            ":material/auto_awesome:",
            navigation.RECOMMEND,
            {"session": state.joined(NEW_PARENTS)} if demo else {},
            bool(dataset.ready_runs),
            "a trained recommender",
        ),
        Stop(
            "See the space",
            "Do rarely bought items huddle in a corner, or do they spread like popular ones? Vectors learnt from IDs beside "
            "those that start from archetypes."
            if demo
            else "Pictures of the space that items live in, and how widely popular and rare items spread in it.",
            ":material/scatter_plot:",
            navigation.EMBEDDINGS,
            {},
            bool(dataset.representations or dataset.ready_runs),
            "item vectors",
        ),
    ]


def cards(dataset: verbs.DatasetState) -> None:
    """The stops as cards side by side."""
    st.subheader("Guided tour" if dataset.dataset == verbs.DEMO else "Ways in", anchor=False)
    offered = stops(dataset)
    with st.container(key="tour"):
        for column, stop in zip(st.columns(len(offered)), offered, strict=True):
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{stop.title}**")
                st.caption(stop.purpose)
                _link(dataset, stop)


def links(dataset: verbs.DatasetState) -> None:
    """The same ways, and the items, in a row."""
    with st.container(horizontal=True):
        for stop in stops(dataset):
            _link(dataset, stop)
        st.page_link(
            navigation.ITEMS, label="Browse items", icon=":material/inventory_2:", query_params={"dataset": dataset.dataset}
        )


def _link(dataset: verbs.DatasetState, stop: Stop) -> None:
    st.page_link(
        stop.page,
        label=stop.title if stop.ready else f"{stop.title} (waits for {stop.waits_for})",
        icon=stop.icon,
        query_params={"dataset": dataset.dataset, **stop.query},
        disabled=not stop.ready,
    )
