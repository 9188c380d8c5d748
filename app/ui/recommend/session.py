"""The session: items that somebody took, oldest first; built by hand, or taken over from a test user."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app.ui import items, services, state
from app.ui.text import count, one_line, plain, title_of
from genair_engine import verbs

LONGEST_SESSION = 50
SEARCH_RESULTS = 6


@dataclass(frozen=True)
class Session:
    """The items, oldest first. loaded: the test user whose session it began as, with the item that was held out."""

    dataset: str
    items: list[verbs.Item]
    loaded: verbs.HeldOutSession | None

    @property
    def ids(self) -> list[str]:
        return [item.item for item in self.items]


def chosen(dataset: str) -> Session:
    """The session of `?session=` and `?user=`; what does not exist is named in a warning and left out."""
    ids = _kept(dataset)
    if len(ids) > LONGEST_SESSION:
        st.warning(f"A session here has at most {LONGEST_SESSION} items; the last ones of the link are used.")
        ids = ids[-LONGEST_SESSION:]
        change(dataset, ids)
    known = verbs.known_items(services.workspace(), dataset, ids)
    taken = [known[item_id] for item_id in ids if item_id in known]
    unknown = [item_id for item_id in ids if item_id not in known]
    if unknown:
        st.warning("The link names items that this dataset does not have:", title="Unknown items", icon=":material/link_off:")
        st.text(one_line(", ".join(unknown), 200))
        change(dataset, [item.item for item in taken])
    return Session(dataset, taken, _loaded(dataset))


def _loaded(dataset: str) -> verbs.HeldOutSession | None:
    user = state.recall("user", dataset)
    if not user:
        return None
    with services.told_errors():
        return verbs.held_out_session(services.workspace().load_dataset(dataset), user, LONGEST_SESSION)
    state.keep("user", "", dataset)
    return None


def change(dataset: str, ids: Sequence[str]) -> None:
    """Puts another session into the link; an empty one is nobody's."""
    state.keep("session", state.joined(ids), dataset)
    if not ids:
        state.keep("user", "", dataset)


def _add(dataset: str, item: str) -> None:
    """A button's callback, as those below: works on the session as it is then, so that quick clicks all count."""
    change(dataset, [*_kept(dataset), item][-LONGEST_SESSION:])


def _remove(dataset: str, place: int) -> None:
    ids = _kept(dataset)
    change(dataset, [*ids[:place], *ids[place + 1 :]])


def _swap(dataset: str, place: int) -> None:
    """An item and the one after it change places."""
    ids = _kept(dataset)
    change(dataset, [*ids[:place], *ids[place : place + 2][::-1], *ids[place + 2 :]])


def _kept(dataset: str) -> list[str]:
    return state.separated(state.recall("session", dataset))


def editor(session: Session) -> None:
    """The session with buttons that move and remove items."""
    if session.loaded:
        _whose(session, session.loaded)
    for place, item in enumerate(session.items):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
            st.text(f"{place + 1}. {one_line(title_of(item.title, item.item), 70)}", width="stretch")
            for key, icon, tip, act, at, possible in (
                ("up", "arrow_upward", "Earlier", _swap, place - 1, place > 0),
                ("down", "arrow_downward", "Later", _swap, place, place < len(session.items) - 1),
                ("remove", "close", "Remove", _remove, place, True),
            ):
                st.button(
                    f":material/{icon}:",
                    key=f"session_{key}_{place}",
                    help=tip,
                    type="tertiary",
                    disabled=not possible,
                    on_click=act,
                    args=(session.dataset, at),
                )
    with st.container(horizontal=True):
        if session.items:
            st.button(
                "Clear", key="session_clear", icon=":material/delete_sweep:", on_click=change, args=(session.dataset, [])
            )
        loader(session.dataset)
    if not session.items:
        st.caption("The session is empty. Add an item from the search below, or load a test user's session.")


def _whose(session: Session, loaded: verbs.HeldOutSession) -> None:
    edited = "" if session.ids == loaded.items else ", edited"
    shown = f", the last {len(loaded.items)} of {loaded.length:,} items" if loaded.length > len(loaded.items) else ""
    st.caption(plain(f"Session of test user {one_line(loaded.user, 60)}{shown}{edited}. The item taken next was held out."))


def loader(dataset: str) -> None:
    """Takes over a test user's session: one drawn at random, or the one of an id."""
    with st.popover("Load a test user's session", icon=":material/person_search:", key="session_loader"):
        st.button("A random test user", key="session_random", icon=":material/casino:", on_click=load, args=(dataset, None))
        st.text_input("… or the user's id", key="session_user")
        st.button(
            "Load this user",
            key="session_load",
            on_click=lambda: load(dataset, st.session_state["session_user"].strip()),
        )
        st.caption(
            "All but the last item; the last one is the test item, which training never saw. It is marked in the lists."
        )


def load(dataset: str, user: str | None) -> None:
    """A button's callback: the session of this user, or of a random one, becomes the session."""
    with services.told_errors():
        catalogue = services.workspace().load_dataset(dataset)
        user = user or verbs.some_user(catalogue, random.getrandbits(32))
        loaded = verbs.held_out_session(catalogue, user, LONGEST_SESSION)
        state.keep("session", state.joined(loaded.items), dataset)
        state.keep("user", user, dataset)


def add_items(session: Session) -> None:
    """Search, and a button that adds each match to the end of the session."""
    text = st.text_input(
        "Search items to add", key="session_search", type="search", live=True, placeholder="Title, brand or description"
    )
    matches = items.matching(session.dataset, text or "", SEARCH_RESULTS)
    full = len(session.items) >= LONGEST_SESSION
    if full:
        st.caption(f"A session has at most {count(LONGEST_SESSION, 'item')}: remove one to add another.")
    elif not text:
        st.caption("The most popular items:")
    elif not matches:
        st.caption("Nothing matches.")
    with st.container(key="session_matches"):
        for item in matches:
            _match(session, item, full)


def _match(session: Session, item: verbs.Item, full: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        st.button(
            ":material/add:",
            key=f"session_add_{item.position}",
            help="Add to the session",
            disabled=full,
            on_click=_add,
            args=(session.dataset, item.item),
        )
        st.text(items.label(item), width="stretch")
