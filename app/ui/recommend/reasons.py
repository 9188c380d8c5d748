"""Why an item is in a list: which session items pushed it up, which audiences it shares with them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.ui import services
from app.ui.recommend.session import Session
from app.ui.text import one_line, plain, title_of
from genair_engine import verbs

SHOWN_SHARED = 4


def popover(session: Session, recommender: Any, item: str) -> None:
    """A button that opens the reasons; they are computed when it is opened."""
    opened = st.popover("Why", icon=":material/help:", type="tertiary", key=f"why_{recommender.run}_{item}", on_change="rerun")
    if opened.open:
        with opened:
            explained = verbs.explain_items(services.workspace(), recommender, session.ids, [item])
            _contributions(session, explained)
            _shared(session, explained)


def _contributions(session: Session, explained: verbs.ExplainResult) -> None:
    """The session's items, those first that pushed the result up most."""
    [reason] = explained.reasons
    st.markdown("**Pushed by**")
    values = [
        (contribution.place, contribution.value) for contribution in reason.contributions if contribution.value is not None
    ]
    if not values:
        st.caption("The only item of the session.")
        return
    largest = max(abs(value) for _, value in values) or 1.0
    for place, value in sorted(values, key=lambda pushed: -pushed[1]):
        item = session.items[place - 1]
        bar = "█" * round(8 * abs(value) / largest)
        with st.container(horizontal=True, gap="small", vertical_alignment="center", wrap=False):
            st.markdown(f":{'green' if value > 0 else 'red'}[{value:+.3f} {bar}]", width="content")
            st.text(f"{place}. {one_line(title_of(item.title, item.item), 50)}")
    unread = len(session.items) - explained.reads
    st.caption(
        "By how much the score falls when that item alone leaves the session (exact). "
        + (f"This model reads the last {explained.reads} items only." if unread > 0 else "")
    )


def _shared(session: Session, explained: verbs.ExplainResult) -> None:
    """The audiences that the item's archetype has in common with those of session items."""
    [reason] = explained.reasons
    st.markdown("**Audiences in common**")
    if explained.archetypes is None:
        st.caption("This data set has no archetypes.")
        return
    for shared in reason.shared[:SHOWN_SHARED]:
        item = session.items[shared.place - 1]
        title = one_line(title_of(item.title, item.item), 60)
        st.text(f"{one_line(shared.audience, 70)}\n  {title}: {one_line(shared.of_item, 60)}")
    if not reason.shared:
        st.caption("None that its archetype and those of the session's items name alike.")
    st.caption(plain(f"Archetypes by {explained.model}. Taken {reason.popularity:,} times in training."))
