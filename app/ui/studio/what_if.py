"""What if this item had another archetype: edit it by hand, or take another version, and see whose recommendations change.

Nothing is trained or kept: the text is embedded as the run's own archetypes were, and the same test sessions are ranked with
the old and the new vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import datasets, navigation, services, state
from app.ui.studio import columns, marked
from app.ui.text import count, one_line, plain, title_of
from genair_engine import verbs
from genair_engine.errors import GenairError

_ASKED, _FOUND = "studio_what_if_asked", "studio_what_if"
SHOWN_SESSIONS = 10


def view(dataset: verbs.DatasetState, detail: verbs.ItemDetail) -> None:
    """The text at the left, what is asked and found at the right."""
    ready = datasets.ready_runs(dataset.dataset, [state.recall("by", dataset.dataset)])
    runs = {run.run: run for run in ready if run.config["method"] in verbs.rank_new_items()}
    if not runs:
        st.info(
            f"This needs a trained run that recommends from archetypes: method {' or '.join(verbs.rank_new_items())}.",
            icon=":material/model_training:",
        )
        st.page_link(
            navigation.TRAINING, label="Train one", icon=":material/model_training:", query_params={"dataset": dataset.dataset}
        )
        return
    left, right = st.columns(2, gap="large")
    with right:
        run = state.choice(
            "Run that recommends", list(runs), "by", dataset.dataset, shown=lambda run_id: _called(runs[run_id])
        )
    own = {
        representation.representation: representation.archetypes_by or representation.model
        for representation in dataset.representations
    }
    with left:
        begun, text = _edit(dataset.dataset, detail, own.get(runs[run].representation or "", ""))
    with right:
        sessions = st.select_slider(
            "Test sessions to look at", [100, 300, 1000, 3000, 10_000], value=1000, key="what_if_sessions"
        )
        key = (dataset.dataset, detail.item.item, run, sessions, text)
        st.button(
            "See what changes",
            icon=":material/compare_arrows:",
            type="primary",
            key="what_if_ask",
            disabled=not text.strip(),
            on_click=lambda: st.session_state.update({_ASKED: True}),
        )
        st.caption("All but the last item of test users; the same users each time. Nothing is trained, and nothing is kept.")
        if st.session_state.pop(_ASKED, False):
            st.session_state[_FOUND] = (key, _ask(run, detail.item.item, sessions, text))
        asked, result = st.session_state.get(_FOUND, (None, None))
        if asked == key and result is not None:
            _show(dataset.dataset, result)
    st.markdown("**Your changes**")
    with st.container(border=True, key="what_if_diff"):
        st.markdown(
            marked.difference(begun.text, text) if text != begun.text else "None yet: edit the text, or take another version."
        )


def _edit(dataset: str, detail: verbs.ItemDetail, writer: str) -> tuple[verbs.ArchetypeText, str]:
    """The version to begin with (first those by the run's own writer), and the text as it is edited, with its scores."""
    texts = {text.archetypes: text for text in sorted(detail.archetypes, key=lambda text: text.model != writer)}
    scope = f"{dataset}/{detail.item.item}"
    if state.recall("edit", scope) not in texts:  # of another item
        state.keep("edit", "", scope)
    begun = texts[state.choice("Begin with", list(texts), "edit", scope, shown=lambda name: _version(texts[name]))]
    key = f"edited_{detail.item.item}_{begun.archetypes}"
    st.session_state.setdefault(key, begun.text)
    text = st.text_area(
        "Archetype", key=key, height=380, max_chars=100_000, help="Leave the field, or press Ctrl and Enter, to go on."
    )
    scores = verbs.score_text(services.workspace(), dataset, detail.item.item, text) if text.strip() else None
    if scores:
        claims = marked.unsupported(scores)
        grounding = "no claims" if scores.grounding is None else f"grounding {scores.grounding:.0%}"
        st.caption(f"{grounding} · {count(scores.segments, 'audience')}")
        if claims:
            st.caption("  \n".join(plain(claim.reason) for claim in claims))
    return begun, text


def _version(text: verbs.ArchetypeText) -> str:
    return f"{text.model} · {columns.name(text)}"


def _called(run: verbs.RunResult) -> str:
    return f"{run.run} · NDCG@10 {run.metrics['test']['full']['NDCG@10']:.4f} (test, all items)"


def _ask(run: str, item: str, sessions: int, text: str) -> verbs.WhatIfResult | None:
    request = verbs.WhatIfRequest(run=run, item=item, text=text, sessions=sessions, examples=SHOWN_SESSIONS)
    with st.spinner("Embedding the text and ranking the sessions before and after …", show_time=True):
        try:
            return verbs.what_if(services.workspace(), request, models=services.models())
        except GenairError as error:
            st.error(plain(str(error)), title="This text cannot be tried with this run", icon=":material/error:")
            return None


def _show(dataset: str, result: verbs.WhatIfResult) -> None:
    grid = st.grid(3, min_column_width=130)
    grid.metric(
        f"Sessions with another top {result.k}", f"{result.changed:,}", help=f"Of {result.sessions:,} that were looked at."
    )
    grid.metric("It enters", f"{result.entered:,}", help=f"Sessions in whose top {result.k} the item is now, and was not.")
    grid.metric("It leaves", f"{result.left:,}", help=f"Sessions in whose top {result.k} the item was, and is not now.")
    ranks = ""
    if result.mean_rank_before is not None and result.mean_rank_after is not None:
        ranks = f"Its mean rank goes from {result.mean_rank_before:,.1f} to {result.mean_rank_after:,.1f}. "
    st.caption(
        plain(
            f"{ranks}Cosine of its vector before and after: {result.cosine:.3f}. {result.sessions:,} sessions, run "
            f"{result.run}."
        )
    )
    if not result.examples:
        return
    ids = {item for example in result.examples for item in (*example.session, *example.before, *example.after)}
    titles = {
        key: title_of(item.title, key) for key, item in verbs.known_items(services.workspace(), dataset, sorted(ids)).items()
    }
    st.dataframe(
        pd.DataFrame([_row(changed, titles) for changed in result.examples]),
        hide_index=True,
        height="content",
        alt="Sessions whose recommendations change",
    )
    sessions = {changed.user: changed for changed in result.examples}
    user = st.selectbox("Open a session", list(sessions), key="what_if_user")
    st.page_link(
        navigation.RECOMMEND,
        label="Recommend for this session",
        icon=":material/auto_awesome:",
        query_params={"dataset": dataset, "run": result.run, "session": state.joined(sessions[user].session)},
    )


def _row(changed: verbs.ChangedSession, titles: dict[str, str]) -> dict[str, Any]:
    def named(ids: Sequence[str]) -> str:
        return "; ".join(one_line(titles.get(key, key), 40) for key in ids)

    return {
        "User": changed.user,
        "Rank before": changed.rank_before,
        "Rank after": changed.rank_after,
        "Comes in": named([key for key in changed.after if key not in changed.before]),
        "Goes out": named([key for key in changed.before if key not in changed.after]),
        "Session, newest last": named(changed.session),
    }
