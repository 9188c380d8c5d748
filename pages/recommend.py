"""Recommend: build a session from items and see what a trained recommender ranks next."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.ui import datasets, guards, items, navigation, pipeline, popularity, services, state
from app.ui.text import count, one_line, plain, title_of
from genair_engine import verbs

LONGEST_SESSION = 50
SEARCH_RESULTS = 6
SIZES = (5, 10, 20, 50)


def session_items(dataset: str) -> list[verbs.Item]:
    """The items of `?session=`; ids that do not exist are named in a warning and left out."""
    ids = state.separated(state.recall("session", dataset))
    if len(ids) > LONGEST_SESSION:
        st.warning(f"A session here has at most {LONGEST_SESSION} items; the last ones of the link are used.")
        ids = ids[-LONGEST_SESSION:]
    known = verbs.known_items(services.workspace(), dataset, ids)
    found = [known[item_id] for item_id in ids if item_id in known]
    unknown = [item_id for item_id in ids if item_id not in known]
    if unknown:
        st.warning("The link names items that this dataset does not have:", title="Unknown items", icon=":material/link_off:")
        st.text(one_line(", ".join(unknown), 200))
        change_session(dataset, found)
    return found


def change_session(dataset: str, session: list[verbs.Item]) -> None:
    state.keep("session", state.joined([item.item for item in session]), dataset)


def choose_run(dataset: verbs.DatasetState) -> verbs.RunResult:
    """The finished run to recommend with (`?run=`), and how its numbers were obtained."""
    runs = {run.run: run for run in dataset.ready_runs}

    def shown(name: str) -> str:
        run = runs[name]
        return f"{name} · NDCG@10 {run.metrics['test']['full']['NDCG@10']:.4f} (test, all items) · {run.created_at:%d %b %Y}"

    run = runs[state.choice("Run", list(runs), "run", dataset.dataset, shown=shown)]
    vectors = plain(run.representation or "learnt by the run itself")
    config, protocol = run.config, run.protocol
    sampled = f"sampled{protocol['negatives']}"
    measured = [
        ("HR@10, all items", run.metrics["test"]["full"]["HR@10"]),
        ("NDCG@10, all items", run.metrics["test"]["full"]["NDCG@10"]),
        (f"HR@10, {protocol['negatives']} negatives", run.metrics["test"][sampled]["HR@10"]),
        (f"NDCG@10, {protocol['negatives']} negatives", run.metrics["test"][sampled]["NDCG@10"]),
    ]
    with st.expander("How good is this run, and how was that measured", icon=":material/straighten:"):
        grid = st.grid(4, min_column_width=130)
        for label, value in measured:
            grid.metric(label, f"{value:.4f}")
        st.caption(
            f"Test items of the {protocol['split']} split, ranked among all items "
            f"{'without' if protocol['exclude_seen'] else 'with'} those that the user took before, and among "
            f"{protocol['negatives']} negatives a user drawn once (seed {protocol['negatives_seed']}). One training run: "
            f"{config['backbone']} with {config['method']}, loss {config['loss']}, seed {config['seed']}, best of "
            f"{count(run.epochs, 'epoch')}: {run.best_epoch}; item vectors: {vectors}."
        )
        if run.deviations:
            st.caption(f"Preset {config.get('preset', 'corrected')}, not as in the paper: {'; '.join(run.deviations)}.")
    return run


def session_editor(dataset: str, session: list[verbs.Item]) -> None:
    """The session, oldest first, with buttons that move and remove items."""
    for place, item in enumerate(session):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
            st.text(f"{place + 1}. {one_line(title_of(item.title, item.item), 70)}", width="stretch")
            others = [*session[:place], *session[place + 1 :]]
            earlier = [*others[: place - 1], item, *others[place - 1 :]]
            later = [*others[: place + 1], item, *others[place + 1 :]]
            for key, icon, tip, outcome, possible in (
                ("up", "arrow_upward", "Earlier", earlier, place > 0),
                ("down", "arrow_downward", "Later", later, place < len(session) - 1),
                ("remove", "close", "Remove", others, True),
            ):
                st.button(
                    f":material/{icon}:",
                    key=f"session_{key}_{place}",
                    help=tip,
                    type="tertiary",
                    disabled=not possible,
                    on_click=change_session,
                    args=(dataset, outcome),
                )
    if session:
        st.button("Clear", key="session_clear", icon=":material/delete_sweep:", on_click=change_session, args=(dataset, []))
    else:
        st.caption("The session is empty. Add an item from the search below.")


def add_items(dataset: str, session: list[verbs.Item]) -> None:
    """Search, and a button that adds each match to the end of the session."""
    text = st.text_input(
        "Search items to add", key="session_search", type="search", live=True, placeholder="Title, brand or description"
    )
    found = items.matching(dataset, text or "", SEARCH_RESULTS)
    full = len(session) >= LONGEST_SESSION
    if not text:
        st.caption("The most popular items:")
    elif not found:
        st.caption("Nothing matches.")
    for item in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
            st.button(
                ":material/add:",
                key=f"session_add_{item.position}",
                help="Add to the session",
                disabled=full,
                on_click=change_session,
                args=(dataset, [*session, item]),
            )
            st.text(items.label(item), width="stretch")


def results(dataset: str, session: list[verbs.Item], ranked: verbs.RecommendResult) -> pd.DataFrame:
    """The ranking as a table; what the cards show and the CSV holds."""
    ids = [one.item for one in ranked.items]
    facts = verbs.items_of(services.workspace(), dataset, ids)
    snippets = verbs.archetype_snippets(services.workspace(), dataset, ids)
    return pd.DataFrame(
        {
            "rank": range(1, len(ids) + 1),
            "item": ids,
            "title": [item.title for item in facts],
            "score": [one.score for one in ranked.items],
            "popularity_group": [item.popularity_group for item in facts],
            "archetype": [snippets.get(item_id, "") for item_id in ids],
            "run": ranked.run,
            "session": state.joined([item.item for item in session]),
        }
    )


def result_cards(dataset: str, table: pd.DataFrame) -> None:
    """One card a recommended item."""
    for row in table.itertuples():
        with st.container(border=True, gap="xsmall", key=f"result_{row.rank}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
                st.markdown(f"**{row.rank}**", width="content")
                st.text(one_line(title_of(row.title, row.item), 120), width="stretch")
                st.page_link(
                    navigation.ARCHETYPES,
                    label=":material/diversity_3:",
                    help="Compare its archetypes",
                    query_params={"dataset": dataset, "item": row.item},
                )
            with st.container(horizontal=True, gap="small"):
                st.caption(f"score {row.score:.3f}", width="content")
                st.markdown(f":small[{popularity.label(row.popularity_group)}]", width="content")
            if row.archetype:
                st.text(one_line(row.archetype, 220))


guards.heading("Recommend", "Build a session from items and see what a trained recommender ranks next.")
dataset = datasets.choose()
name = dataset.dataset
if not dataset.ready_runs:
    with st.container(border=True):
        st.markdown(
            "**No trained model for this dataset yet.** Do this in a terminal in the project's folder, then come back:"
        )
        pipeline.next_step(dataset)
    st.stop()
run = choose_run(dataset)
session = session_items(name)

left, right = st.columns([2, 3], gap="large")
with left:
    st.subheader("Session", anchor=False, help="Items in the order in which somebody took them, the newest last.")
    session_editor(name, session)
    add_items(name, session)
with right:
    st.subheader("What comes next", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = st.segmented_control("Items to show", SIZES, default=10, required=True, key="result_size")
        seen = st.toggle("Leave out items of the session", value=True, key="result_filter_seen")
    if not session:
        st.info("Add at least one item to the session: the ranking appears here at once.", icon=":material/playlist_add:")
        st.stop()
    request = verbs.RecommendRequest(run=run.run, items=[item.item for item in session], k=size, include_seen=not seen)
    table = results(name, session, services.recommend(request))
    result_cards(name, table)
    st.caption(
        "Score: dot product of the session's state and the item's vector; comparable within this list only. "
        "The text is the first audience of the item's archetype."
    )
    st.download_button(
        "Download as CSV",
        table.to_csv(index=False),
        file_name=f"{run.run}.csv",
        mime="text/csv",
        key="result_csv",
        icon=":material/download:",
        on_click="ignore",
    )
