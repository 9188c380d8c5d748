"""An item that nobody has bought: paste its metadata, read its archetype, see where it lands in every GenAIR run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import navigation, services, state
from app.ui import runs as training
from app.ui.recommend import asked
from app.ui.recommend.session import Session
from app.ui.text import count, one_line, plain, title_of
from genair_engine import verbs
from genair_engine.errors import GenairError

LONGEST_IN_LINK = 2000
"""Characters of metadata that a link carries."""
KEPT = 20
"""New items that were read, over all visitors."""
SESSIONS = 5
EXAMPLE = """title: Trailfold Packable Sun Hat
brand: Trailfold
categories: Outdoor & Camping, Hats
features: wide brim, folds flat, for river days
description: A light hat for long days on the water. Made for family camping."""


def view(dataset: str, session: Session, ready: Sequence[verbs.RunResult]) -> None:
    """The form, and what came of it."""
    runs = {run.run: run for run in ready if verbs.METHOD_FACTS[run.config["method"]].projected}
    if not runs:
        st.info(
            "This needs a trained run that makes item vectors from text: method genair or genair-id.",
            icon=":material/model_training:",
        )
        st.page_link(
            navigation.TRAINING, label="Train one", icon=":material/model_training:", query_params={"dataset": dataset}
        )
        return
    text = _form(dataset)
    if not text.strip() or state.recall("read", dataset) != "1":
        return
    try:
        attributes = verbs.read_metadata(text)
        with st.spinner("Writing its archetype, and reading both …", show_time=True):
            written = _written(dataset, tuple(attributes.items()), tuple(sorted(runs)))
        _archetypes(written)
        _placements(dataset, session, written, runs)
    except GenairError as error:
        st.error(plain(str(error)), title="This item cannot be ranked", icon=":material/error:")


def _form(dataset: str) -> str:
    """The metadata as pasted (`?item_text=`); it is read when the button is pressed (`?read=1`)."""
    key = "new_item_text"
    if key not in st.session_state:
        st.session_state[key] = state.recall("item_text", dataset)

    def changed() -> None:
        given = st.session_state[key]
        state.keep("item_text", given if len(given) <= LONGEST_IN_LINK else "", dataset)
        state.keep("read", "", dataset)

    def read() -> None:
        changed()
        state.keep("read", "1", dataset)

    def example() -> None:
        st.session_state[key] = EXAMPLE
        changed()

    text = st.text_area(
        "Metadata of an item that is not in the catalogue",
        key=key,
        height=170,
        max_chars=30_000,
        placeholder="title: …\nbrand: …\ncategories: …\ndescription: …",
        help="Lines of the form field: value, or a JSON object.",
        on_change=changed,
    )
    with st.container(horizontal=True):
        st.button(
            "Write its archetype and rank it", icon=":material/bolt:", type="primary", key="new_item_read", on_click=read
        )
        st.button("Fill in an example", icon=":material/edit_note:", key="new_item_example", on_click=example)
    st.caption("Nothing is trained, and nothing is kept: text, states, the stored PCA bases, the run's projector, a score.")
    return str(text)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _written(dataset: str, attributes: tuple[tuple[str, str], ...], runs: tuple[str, ...]) -> Any:
    """The item's archetypes and states; `runs` are part of the question, as another run may need another model."""
    del runs
    request = verbs.NewItemRequest(dataset=dataset, attributes=dict(attributes))
    return verbs.write_item(services.workspace(), request, models=services.readers())


@st.cache_resource(max_entries=8, show_spinner="Loading the trained model…")
def _space(run: str) -> Any:
    """A run that new items can be put into."""
    return verbs.load_item_space(services.workspace(), run)


def _archetypes(written: Any) -> None:
    """What the language models wrote about it."""
    for one in written.archetypes:
        with st.container(border=True):
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.markdown(f"**{plain(one.model or 'given')}**", width="content")
                st.caption(f"{count(one.generated_tokens, 'token')} · {one.seconds:.1f} s", width="content")
            st.text(one.text)
    for note in written.notes:
        st.caption(plain(note))


def _placements(dataset: str, session: Session, written: Any, runs: dict[str, verbs.RunResult]) -> None:
    """Where it lands in each run: a table, and for one run its neighbours and the sessions in which it ranks highest."""
    skipped = list(written.skipped)
    placed: dict[str, verbs.Placement] = {}
    for run in written.runs:
        try:
            placed[run] = verbs.place_item(_space(run), written, session.ids, SESSIONS)
        except GenairError as error:
            skipped.append(verbs.SkippedRun(run=run, reason=str(error)))
    if placed:
        names = asked.short_names([runs[run] for run in placed])
        st.dataframe(
            pd.DataFrame([_row(name, one) for name, one in zip(names, placed.values(), strict=True)]),
            hide_index=True,
            height="content",
            alt="Where the new item lands in each run",
        )
        if not session.items:
            st.caption("Put items into the session to see its rank after them.")
        looked = next(iter(placed.values())).looked_at
        st.caption(f"Median rank and top 10: over the sessions of {count(looked, 'test user')}; its rank is among all items.")
        run = state.choice("Look closer at", list(placed), "by", dataset, shown=lambda one: training.name(runs[one]))
        _closer(dataset, placed[run])
    for one in skipped:
        st.caption(plain(f"Left out: {one.run}: {one.reason}"))


def _row(name: str, one: verbs.Placement) -> dict[str, Any]:
    return {
        "Run": name,
        "After the session": None if one.rank is None else f"rank {one.rank:,} of {one.of:,}",
        "Score": one.score,
        "Median rank": one.median_rank,
        "In the top 10": None if one.top_10 is None else f"{one.top_10:.1%}",
    }


def _closer(dataset: str, one: verbs.Placement) -> None:
    near, real = st.columns(2, gap="large")
    with near:
        st.markdown("**Nearest items of the catalogue**")
        for item in one.nearest:
            st.text(f"{item.cosine:.2f}  {one_line(title_of(item.title, item.item), 70)}")
        st.caption("Cosine of the two vectors.")
    with real:
        st.markdown("**Real sessions in which it ranks highest**")
        ids = [item for found in one.sessions for item in (*found.items, found.next)]
        titles = {
            key: title_of(item.title, key) for key, item in verbs.known_items(services.workspace(), dataset, ids).items()
        }
        for found in one.sessions:
            after = "; ".join(one_line(titles.get(item, item), 40) for item in found.items[-3:])
            with st.container(gap="xsmall"):
                st.text(f"Rank {found.rank:,} after … {after}")
                st.page_link(
                    navigation.RECOMMEND,
                    label=plain(f"Session of {one_line(found.user, 40)}"),
                    icon=":material/auto_awesome:",
                    query_params={
                        "dataset": dataset,
                        "view": "next",
                        "user": found.user,
                        "session": state.joined(found.items),
                        "run": one.run,
                    },
                )
