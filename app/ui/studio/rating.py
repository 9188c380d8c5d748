"""Rating archetypes: thumbs, the best of those side by side and a reason; blind, too; and the win rates that follow.

Blind means that texts stand in an order drawn for this item and this tab, under letters instead of names, until the vote is
cast.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app.ui import services, state
from app.ui.studio import columns
from app.ui.text import count, plain
from genair_engine import verbs

UP, DOWN = 1, 0
"""What `st.feedback("thumbs")` calls them."""
_SEED, _VOTED = "studio_shuffle", "studio_voted"


def shuffled(dataset: str, item: str, shown: Sequence[columns.Column]) -> list[columns.Column]:
    """In an order that depends on the item and this tab alone: a rerun does not change it."""
    seed = st.session_state.setdefault(_SEED, secrets.token_hex(8))
    order = sorted(shown, key=lambda column: column.shown.archetypes)
    random.Random(f"{seed}/{dataset}/{item}").shuffle(order)
    return order


def blind(dataset: str, item: str, shown: Sequence[columns.Column]) -> None:
    """Two or more texts without names, the ballot, and after it who wrote what."""
    if len(shown) < 2:
        st.info("A blind vote needs texts by two language models: this item has fewer.", icon=":material/visibility_off:")
        return
    order = shuffled(dataset, item, shown)
    letters = {column.shown.archetypes: chr(ord("A") + place) for place, column in enumerate(order)}
    voted = st.session_state.get(_VOTED) == _ballot_key(dataset, item, letters)
    for place, column in zip(st.columns(len(order)), order, strict=True):
        with place.container(border=True, height="stretch"):
            letter = letters[column.shown.archetypes]
            st.markdown(f"**Text {letter}**" + (f" · {plain(column.model)}" if voted else ""))
            columns.body(column.shown, None)
    if voted:
        names = ", ".join(f"{letters[column.shown.archetypes]} is by {column.model}" for column in order)
        st.success(plain(f"Your vote is kept. {names}."), icon=":material/how_to_vote:")
        models = [column.model for column in shown]
        st.button("Another item", icon=":material/shuffle:", key="rate_next", on_click=_next, args=(dataset, models))
        rates(dataset)
    else:
        ballot(dataset, item, letters, blind=True)


def ballot(dataset: str, item: str, names: Mapping[str, str], *, blind: bool) -> None:
    """Thumbs for each text, the best, and why. names: archetype set to what it is called here."""
    key = _ballot_key(dataset, item, names)
    with st.container(border=True, key="ballot"):
        for column, (archetypes, called) in zip(st.columns(len(names)), names.items(), strict=True):
            with column.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{plain(called)}**", width="content")
                st.feedback("thumbs", key=f"{key}_{archetypes}")
        best = None
        if len(names) > 1:
            best = st.segmented_control("Best", list(names), format_func=lambda name: plain(names[name]), key=f"{key}_best")
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        left.text_input("Why", key=f"{key}_reason", max_chars=2000, placeholder="What decided it")
        right.text_input("Your name", key="studio_who", max_chars=100, placeholder="optional")
        thumbs = {name: st.session_state.get(f"{key}_{name}") for name in names}
        nothing = best is None and all(thumb is None for thumb in thumbs.values())
        st.button(
            "Vote: no difference" if nothing and len(names) > 1 else "Vote",
            key=f"{key}_cast",
            icon=":material/how_to_vote:",
            type="primary",
            disabled=nothing and len(names) == 1,
            on_click=partial(_cast, dataset, item, list(names), key, blind),
        )


def _ballot_key(dataset: str, item: str, sets: Mapping[str, str]) -> str:
    return f"ballot_{dataset}_{item}_{'_'.join(sorted(sets))}"


def _cast(dataset: str, item: str, sets: list[str], key: str, blind: bool) -> None:
    thumbs = {name: st.session_state.get(f"{key}_{name}") for name in sets}
    with services.told_errors():
        request = verbs.RateRequest(
            dataset=dataset,
            item=item,
            sets=sets,
            winner=st.session_state.get(f"{key}_best"),
            up=[name for name in sets if thumbs[name] == UP],
            down=[name for name in sets if thumbs[name] == DOWN],
            blind=blind,
            reason=st.session_state.get(f"{key}_reason") or "",
            who=st.session_state.get("studio_who") or None,
        )
        verbs.rate(services.workspace(), request)
        if blind:
            st.session_state[_VOTED] = key
        services.tell("Your vote is kept.", ":material/how_to_vote:")


def _next(dataset: str, models: list[str]) -> None:
    with services.told_errors():
        item = verbs.item_to_rate(services.workspace(), dataset, models)
        if item is None:
            services.tell("Every item that these models have written about has a vote.", ":material/task_alt:")
        else:
            state.keep("item", item, dataset)


def rates(dataset: str) -> None:
    """Win rates between the models over all items, blind votes and others apart, with how sure they are."""
    ratings = verbs.ratings(services.workspace(), verbs.RatingsRequest(dataset=dataset, by="model"))
    with st.container(border=True, key="rates"):
        st.markdown("**Which model's archetypes people prefer**")
        if not ratings.votes:
            st.caption("No vote yet.")
            return
        rows = [
            {
                "Votes": "blind" if rate.blind else "names shown",
                "Model": rate.model,
                "Against": rate.against or "all others",
                "Win rate": None if rate.rate is None else 100 * rate.rate,
                "95 % interval": "" if rate.low is None else f"{rate.low:.0%} … {rate.high:.0%}",
                "Won": rate.wins,
                "Lost": rate.losses,
                "Tied": rate.ties,
            }
            for rate in ratings.rates
        ]
        rows += [
            {
                "Votes": "blind" if thumb.blind else "names shown",
                "Model": thumb.model,
                "Against": "thumbs",
                "Win rate": None if thumb.rate is None else 100 * thumb.rate,
                "95 % interval": "" if thumb.low is None else f"{thumb.low:.0%} … {thumb.high:.0%}",
                "Won": thumb.up,
                "Lost": thumb.down,
                "Tied": 0,
            }
            for thumb in ratings.thumbs
        ]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            height="content",
            column_config={"Win rate": st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100)},
            alt="Win rates between language models with their 95 % intervals",
        )
        votes = count(ratings.votes, "vote")
        cast = f"{votes} over all items, {ratings.counted:,} counted (a person's newest on the same texts)."
        st.caption(
            f"{cast} Win rate: won of won and lost, ties apart; Wilson's 95 % interval. Against all others a vote counts "
            "once, however many texts it compared. “thumbs”: up of all thumbs. Blind votes and others are never counted "
            "together."
        )
        reasons = [vote for vote in ratings.recent if vote.reason]
        for vote in reasons[:5]:
            st.text(f"“{vote.reason}” — {vote.who or 'somebody'}, item {vote.item}{', blind' if vote.blind else ''}")
