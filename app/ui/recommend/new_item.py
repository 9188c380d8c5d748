"""An item that nobody has bought: paste its metadata, read its archetype, see where it lands in every run that can rank it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
SHOWN_RUNS = 8
"""Runs that an item is put into at once, the newest; they stay in memory, over all visitors."""
EXAMPLE = """title: Trailfold Packable Sun Hat
brand: Trailfold
categories: Outdoor & Camping, Hats
features: wide brim, folds flat, for river days
description: A light hat for long days on the water. Made for family camping."""


def view(dataset: str, session: Session, ready: Sequence[verbs.RunResult]) -> None:
    """The form, and what came of it."""
    runs = {run.run: run for run in ready if run.config["method"] in verbs.rank_new_items()}
    if not runs:
        st.info(
            f"This needs a trained run that makes item vectors from text: method {' or '.join(verbs.rank_new_items())}.",
            icon=":material/model_training:",
        )
        st.page_link(
            navigation.TRAINING, label="Train one", icon=":material/model_training:", query_params={"dataset": dataset}
        )
        return
    text = _form(dataset)
    if not text.strip() or text != _asked(dataset):
        return
    try:
        question = Question(dataset, tuple(verbs.read_metadata(text).items()), tuple(sorted(runs)))
        with st.spinner("Writing its archetype, and reading both …", show_time=True):
            written = _written(question)
        if written.skipped:  # what is missing may be there the next time
            _written.clear(question)
        _archetypes(written)
        _placements(session, question, written, runs)
    except GenairError as error:
        st.error(plain(str(error)), title="This item cannot be ranked", icon=":material/error:")


@dataclass(frozen=True)
class Question:
    """An item's metadata, and the runs that it may be put into: another run may need another language model."""

    dataset: str
    attributes: tuple[tuple[str, str], ...]
    runs: tuple[str, ...]


def _asked(dataset: str) -> str:
    """The metadata that was asked about, in this tab or by the link (`?read=1`)."""
    if state.recall("read", dataset) == "1":
        return state.recall("item_text", dataset)
    return str(st.session_state.get(f"new_item_read:{dataset}", ""))


def _form(dataset: str) -> str:
    """The metadata as pasted. A short text is in the link (`?item_text=`), any text is kept in this tab."""
    key, kept = "new_item_text", f"new_item_kept:{dataset}"
    if key not in st.session_state:
        st.session_state[key] = state.recall("item_text", dataset) or st.session_state.get(kept, "")

    def changed() -> None:  # also called without a change: a field that has just gone may send its text once more
        given, was_read = st.session_state[key], _asked(dataset)
        st.session_state[kept] = given
        state.keep("item_text", given if len(given) <= LONGEST_IN_LINK else "", dataset)
        state.keep("read", "1" if given == was_read != "" and len(given) <= LONGEST_IN_LINK else "", dataset)

    def read() -> None:
        changed()
        given = st.session_state[key]
        st.session_state[f"new_item_read:{dataset}"] = given
        state.keep("read", "1" if len(given) <= LONGEST_IN_LINK else "", dataset)

    def example() -> None:
        st.session_state[key] = EXAMPLE
        changed()

    text = str(
        st.text_area(
            "Metadata of an item that is not in the catalogue",
            key=key,
            height=170,
            max_chars=30_000,
            placeholder="title: …\nbrand: …\ncategories: …\ndescription: …",
            help="Lines of the form field: value, or a JSON object.",
            on_change=changed,
        )
    )
    with st.container(horizontal=True):
        st.button(
            "Write its archetype and rank it", icon=":material/bolt:", type="primary", key="new_item_read", on_click=read
        )
        st.button("Fill in an example", icon=":material/edit_note:", key="new_item_example", on_click=example)
    st.caption("Nothing is trained, and nothing is kept: text, states, the stored PCA bases, the run's projector, a score.")
    if len(text) > LONGEST_IN_LINK:
        st.caption(f"Longer than {LONGEST_IN_LINK:,} characters: the link does not carry it, only this tab does.")
    return text


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _written(question: Question) -> Any:
    """The item's archetypes and states."""
    request = verbs.NewItemRequest(dataset=question.dataset, attributes=dict(question.attributes))
    return verbs.write_item(services.workspace(), request, models=services.models())


@st.cache_resource(max_entries=SHOWN_RUNS, show_spinner="Loading the trained model…")
def _space(run: str) -> Any:
    """A run that new items can be put into."""
    return verbs.load_item_space(services.workspace(), run)


@st.cache_resource(max_entries=KEPT * SHOWN_RUNS, show_spinner="Ranking it in the sessions of test users …")
def _landing(question: Question, run: str) -> verbs.Placement:
    """Where it lands in a run, whatever the session."""
    return verbs.place_item(_space(run), _written(question), sessions=SESSIONS)


def _archetypes(written: Any) -> None:
    """What the language models wrote about it."""
    for archetype in written.archetypes:
        with st.container(border=True):
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.markdown(f"**{plain(archetype.model or 'given')}**", width="content")
                st.caption(f"{count(archetype.generated_tokens, 'token')} · {archetype.seconds:.1f} s", width="content")
            st.text(archetype.text)
    for note in written.notes:
        st.caption(plain(note))


def _placements(session: Session, question: Question, written: Any, runs: dict[str, verbs.RunResult]) -> None:
    """Where it lands in each run: a table, and for one run its neighbours and the sessions in which it ranks highest."""
    dataset, skipped = question.dataset, list(written.skipped)
    placed: dict[str, tuple[verbs.Placement, verbs.Placement]] = {}
    for run in written.runs[:SHOWN_RUNS]:
        try:
            placed[run] = verbs.place_item(_space(run), written, session.ids), _landing(question, run)
        except GenairError as error:
            skipped.append(verbs.SkippedRun(run=run, reason=str(error)))
    if placed:
        names = asked.short_names([runs[run] for run in placed])
        st.dataframe(
            pd.DataFrame([_row(name, *both) for name, both in zip(names, placed.values(), strict=True)]),
            hide_index=True,
            height="content",
            alt="Where the new item lands in each run",
        )
        if not session.items:
            st.caption("Put items into the session to see its rank after them.")
        _, first = next(iter(placed.values()))
        st.caption(
            f"Median rank and top 10: over the sessions of {count(first.looked_at, 'test user')}; ranks are among all items."
            + (f" The {SHOWN_RUNS} newest of {len(written.runs)} runs." if len(written.runs) > SHOWN_RUNS else "")
        )
        run = state.choice("Look closer at", list(placed), "by", dataset, shown=lambda shown: training.name(runs[shown]))
        _closer(dataset, placed[run][1])
    for left_out in skipped:
        st.caption(plain(f"Left out: {left_out.run}: {left_out.reason}"))


def _row(name: str, here: verbs.Placement, anywhere: verbs.Placement) -> dict[str, Any]:
    """here: after the session; anywhere: in real sessions."""
    return {
        "Run": name,
        "After the session": None if here.rank is None else f"rank {here.rank:,} of {here.of:,}",
        "Score": here.score,
        "Median rank": anywhere.median_rank,
        "In the top 10": None if anywhere.top_10 is None else f"{anywhere.top_10:.1%}",
    }


def _closer(dataset: str, placement: verbs.Placement) -> None:
    near, real = st.columns(2, gap="large")
    with near:
        st.markdown("**Nearest items of the catalogue**")
        for item in placement.nearest:
            st.text(f"{item.cosine:.2f}  {one_line(title_of(item.title, item.item), 70)}")
        st.caption("Cosine of the two vectors.")
    with real:
        st.markdown("**Real sessions in which it ranks highest**")
        ids = [item for real_session in placement.sessions for item in (*real_session.items, real_session.next)]
        titles = {
            key: title_of(item.title, key) for key, item in verbs.known_items(services.workspace(), dataset, ids).items()
        }
        for real_session in placement.sessions:
            after = "; ".join(one_line(titles.get(item, item), 40) for item in real_session.items[-3:])
            with st.container(gap="xsmall"):
                st.text(f"Rank {real_session.rank:,} after … {after}")
                st.page_link(
                    navigation.RECOMMEND,
                    label=plain(f"Session of {one_line(real_session.user, 40)}"),
                    icon=":material/auto_awesome:",
                    query_params={
                        "dataset": dataset,
                        "view": "next",
                        "user": real_session.user,
                        "session": state.joined(real_session.items),
                        "run": placement.run,
                    },
                )
