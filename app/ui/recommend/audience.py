"""Audience search: items whose archetypes are for people that somebody describes, alone or blended with the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import navigation, popularity, services, state
from app.ui.recommend import asked
from app.ui.recommend.session import Session
from app.ui.text import one_line, plain, title_of
from genair_engine import verbs
from genair_engine.errors import GenairError


def view(dataset: verbs.DatasetState, session: Session, runs: Sequence[verbs.RunResult], options: Mapping[str, Any]) -> None:
    """The description, what it is blended with, and the items."""
    name = dataset.dataset
    spaces = {
        representation.representation: representation
        for representation in reversed(dataset.representations)
        if representation.describes
    }
    if not spaces:
        st.info("This needs a representation that holds archetypes.", icon=":material/diversity_3:")
        return
    text = state.search_text(
        "Describe an audience in your own words",
        "audience",
        name,
        placeholder="parents who travel with a baby",
        max_chars=1000,
    )
    left, right = st.columns(2)
    with left:
        space = state.choice("Compared in", list(spaces), "space", name, shown=lambda space_id: _called(spaces[space_id]))
    with right:
        weight, run = _steering(name, session, runs)
    if not text.strip():
        st.caption("Items appear here, those first whose archetypes are most like the description.")
        return
    steered = {"run": run.run, "items": session.ids, "weight": weight} if run else {}
    try:
        request = verbs.AudienceRequest(dataset=name, text=text, representation=space, **steered, **options)
        with st.spinner("Reading the description …"):
            result = verbs.find_audience(
                services.workspace(), _space(name, space), request, services.recommender(run.run) if run else None
            )
    except GenairError as error:
        st.error(plain(str(error)), title="This audience cannot be searched", icon=":material/error:")
        return
    _show(name, result)


def _called(representation: verbs.RepresentationState) -> str:
    written = (
        f", archetypes by {representation.archetypes_by}"
        if representation.archetypes_by and representation.archetypes_by != representation.model
        else ""
    )
    return f"{representation.model}{written} · {representation.representation}"


def _steering(dataset: str, session: Session, runs: Sequence[verbs.RunResult]) -> tuple[float, verbs.RunResult | None]:
    """How much the audience counts against the session, and the run that ranks after it; no run without a session."""
    key = "audience_weight"
    kept = state.recall("weight", dataset)
    st.session_state[key] = min(int(kept), 100) if kept.isdecimal() else 50
    weight = st.slider(
        "Steer: from the session (0) to the audience (100)",
        0,
        100,
        step=5,
        key=key,
        disabled=not session.items,
        on_change=lambda: state.keep("weight", str(st.session_state[key]), dataset),
        help="Both scores are standardised over the items that compete; this is the audience's share.",
    )
    if not session.items:
        st.caption("Put items into the session to blend its recommendations with the audience.")
        return 1.0, None
    st.caption(plain(f"Blended with {asked.short_names(runs)[0]}, the first of the chosen models."))
    return weight / 100, runs[0]


@st.cache_resource(max_entries=4, show_spinner="Preparing the archetypes for the search…")
def _space(dataset: str, representation: str) -> Any:
    """The archetypes of a representation, ready to be searched."""
    return verbs.load_audience_space(services.workspace(), dataset, representation, services.models())


def _show(dataset: str, result: verbs.AudienceResult) -> None:
    facts = verbs.known_items(services.workspace(), dataset, [item.item for item in result.items])
    for number, ranked_item in enumerate(result.items, start=1):
        item = facts[ranked_item.item]
        with st.container(border=True, gap="xsmall", key=f"audience_{number}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
                st.markdown(f"**{number}**", width="content")
                st.text(one_line(title_of(item.title, item.item), 110), width="stretch")
                st.page_link(
                    navigation.ARCHETYPES,
                    label=":material/diversity_3:",
                    help="Compare its archetypes",
                    query_params={"dataset": dataset, "item": item.item},
                )
            with st.container(horizontal=True, gap="small"):
                st.caption(f"similarity {ranked_item.similarity:.3f}", width="content")
                if result.weight is not None:
                    st.caption(f"blend {ranked_item.score:+.3f}", width="content")
                st.markdown(f":small[{popularity.label(item.popularity_group)}]", width="content")
            if ranked_item.audience:
                st.text(one_line(ranked_item.audience, 220))
    blended = f" Order: {result.weight:.0%} audience, {1 - result.weight:.0%} session." if result.weight is not None else ""
    st.caption(plain(f"Compared in: {result.space}. Similarity: cosine with the description.{blended}"))
