"""Ranked lists of up to three runs side by side: cards, how ranks change between them, what each list is like, a CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.ui import navigation, popularity, services
from app.ui.recommend import reasons
from app.ui.recommend.session import Session
from app.ui.text import one_line, plain, tagless, title_of
from genair_engine import verbs

MEASURES = {"diversity": "{:.2f}", "novelty": "{:.1f} bits", "long_tail": "{:.0%}"}
ROW_PIXELS = 30


@dataclass(frozen=True)
class Ranked:
    """A run's list. name: over its column; ranks: in the run's whole ranking, of every item that is in any list, and of the
    held-out one.
    """

    name: str
    run: verbs.RunResult
    recommender: Any
    items: list[verbs.RecommendedItem]
    ranks: dict[str, int]


def rank(runs: Sequence[verbs.RunResult], names: Sequence[str], session: Session, options: Mapping[str, Any]) -> list[Ranked]:
    """The runs' lists after the session. options: k, include_seen and filters of `RecommendRequest`."""
    recommenders = [services.recommender(run.run) for run in runs]
    requests = [verbs.RecommendRequest(run=run.run, items=session.ids, **options) for run in runs]
    answers = [recommender.answer(request).items for recommender, request in zip(recommenders, requests, strict=True)]
    wanted = list(dict.fromkeys(item.item for items in answers for item in items))
    wanted += [session.loaded.held_out] if session.loaded and session.loaded.held_out not in wanted else []
    ranked = []
    for run, name, recommender, request, items in zip(runs, names, recommenders, requests, answers, strict=True):
        ranks = recommender.ranks_of(session.ids, wanted, request.include_seen, request.among(recommender.catalogue))
        ranked.append(Ranked(name, run, recommender, items, dict(zip(wanted, ranks, strict=True))))
    return ranked


def show(dataset: str, session: Session, lists: Sequence[Ranked]) -> None:
    """The lists side by side, with what belongs above and below them."""
    ids = list(dict.fromkeys(recommended.item for ranked in lists for recommended in ranked.items))
    facts = verbs.known_items(services.workspace(), dataset, ids)
    snippets = verbs.archetype_snippets(services.workspace(), dataset, ids)
    if not ids:
        st.info("No item is left that may be listed: loosen a filter.", icon=":material/filter_alt:")
        return
    held_out(dataset, session, lists)
    if len(lists) > 1:
        changes(lists, facts)
    for place, (column, ranked) in enumerate(zip(st.columns(len(lists)), lists, strict=True)):
        with column:
            if len(lists) > 1:
                st.markdown(f"**{plain(ranked.name)}**")
            _measures(ranked)
            for number, recommended in enumerate(ranked.items, start=1):
                with st.container(border=True, gap="xsmall", key=f"result_{place}_{number}"):
                    before = None if place == 0 else lists[0].ranks[recommended.item]
                    _card(
                        dataset,
                        session,
                        ranked,
                        number,
                        recommended,
                        facts[recommended.item],
                        snippets.get(recommended.item, ""),
                        before,
                    )
    _download(dataset, session, lists, facts, snippets)


def held_out(dataset: str, session: Session, lists: Sequence[Ranked]) -> None:
    """Where the item that a test user really took next stands in each list."""
    if session.loaded is None:
        return
    item = verbs.items_of(services.workspace(), dataset, [session.loaded.held_out])[0]
    with st.container(border=True, key="held_out"):
        st.caption("Taken next by this user, and held out:")
        st.text(one_line(title_of(item.title, item.item), 120))
        ranks = [ranked.ranks[item.item] for ranked in lists]
        places = [
            f"rank {rank:,}" + (f" by {ranked.name}" if len(lists) > 1 else "")
            for rank, ranked in zip(ranks, lists, strict=True)
        ]
        edited = "" if session.ids == session.loaded.items else " The session was edited since it was loaded."
        st.caption(plain(f"{'; '.join(places)}, among the items that may be listed.{edited}"))


def changes(lists: Sequence[Ranked], facts: Mapping[str, verbs.Item]) -> None:
    """A line an item, from its rank in one list to its rank in the next."""
    with st.expander("How ranks change between the models", icon=":material/swap_vert:"):
        st.plotly_chart(_lines(lists, facts), key="rank_changes", config={"displayModeBar": False})
        both = set.intersection(*({item.item for item in ranked.items} for ranked in lists))
        st.caption(
            f"{len(both)} of {max(len(ranked.items) for ranked in lists)} items are in all lists. The lowest row is "
            "everything below a list's end: point at it for the rank there."
        )


def _lines(lists: Sequence[Ranked], facts: Mapping[str, verbs.Item]) -> go.Figure:
    figure, colours = go.Figure(), popularity.palette()
    longest = max(len(ranked.items) for ranked in lists)
    below = longest + 1 + longest // 10
    for item in dict.fromkeys(recommended.item for ranked in lists for recommended in ranked.items):
        ranks = [ranked.ranks[item] for ranked in lists]
        group, title = facts[item].popularity_group, tagless(one_line(title_of(facts[item].title, item), 60))
        figure.add_trace(
            go.Scatter(
                x=list(range(len(lists))),
                y=[rank if rank <= longest else below for rank in ranks],
                mode="lines+markers",
                line={"color": colours[group - 1], "width": 2 if max(ranks) <= longest else 1},
                marker={"size": [9 if rank <= longest else 5 for rank in ranks]},
                customdata=[f"{rank:,}" for rank in ranks],
                hovertemplate=f"{title}<br>rank %{{customdata}}<br>{popularity.name(group)}<extra></extra>",
            )
        )
    figure.update_layout(
        showlegend=False,
        height=110 + ROW_PIXELS * min(longest, 12),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
    )
    names, ticks = [tagless(ranked.name) for ranked in lists], _ticks(longest)
    figure.update_xaxes(tickvals=list(range(len(lists))), ticktext=names, range=[-0.2, len(lists) - 0.8], side="top")
    figure.update_yaxes(
        range=[below + 0.6, 0.4],
        tickvals=[*ticks, below],
        ticktext=[*map(str, ticks), "lower"],
        title="rank",
        showgrid=False,
        zeroline=False,
    )
    return figure


def _ticks(longest: int) -> list[int]:
    step = 1 if longest <= 10 else 5 if longest <= 20 else 10
    return [1, *range(step, longest + 1, step)] if step > 1 else list(range(1, longest + 1))


def _measures(ranked: Ranked) -> None:
    """Diversity, novelty and the long tail's share, each defined in its help."""
    if not ranked.items:
        return
    measures = verbs.measure_list(ranked.recommender, [recommended.position for recommended in ranked.items]).model_dump()
    with st.container(horizontal=True, gap="xsmall"):
        for name, form in MEASURES.items():
            value = "–" if measures[name] is None else form.format(measures[name])
            st.badge(f"{name.replace('_', ' ')} {value}", color="gray", help=verbs.LIST_MEASURES[name])


def _card(
    dataset: str,
    session: Session,
    ranked: Ranked,
    number: int,
    recommended: verbs.RecommendedItem,
    item: verbs.Item,
    archetype: str,
    before: int | None,
) -> None:
    """One recommended item. before: its rank in the first model's ranking; None in the first list itself."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.markdown(f"**{number}**", width="content")
        st.text(one_line(title_of(item.title, item.item), 90), width="stretch")
        if before is not None:
            _moved(number, before)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"score {recommended.score:.3f}", width="content")
        st.markdown(f":small[{popularity.label(item.popularity_group)}]", width="content")
        if session.loaded and item.item == session.loaded.held_out:
            st.badge("held out", icon=":material/flag:", color="green", help="What this test user really took next.")
    if archetype:
        st.text(one_line(archetype, 160))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        reasons.popover(session, ranked.recommender, recommended.item)
        st.page_link(
            navigation.ARCHETYPES,
            label="Archetypes",
            icon=":material/diversity_3:",
            query_params={"dataset": dataset, "item": item.item},
        )


def _moved(now: int, before: int) -> None:
    told = f"Rank {before:,} in the first model's ranking."
    if now < before:
        st.badge(f"▲ {before - now:,}", color="green", help=told)
    elif now > before:
        st.badge(f"▼ {now - before:,}", color="orange", help=told)
    else:
        st.badge("=", color="gray", help=told)


def table(
    session: Session, lists: Sequence[Ranked], facts: Mapping[str, verbs.Item], snippets: Mapping[str, str]
) -> pd.DataFrame:
    """All lists in one table, as the CSV has it. rank_in_first: in the whole ranking of the first model."""
    return pd.DataFrame(
        [
            {
                "run": ranked.run.run,
                "rank": number,
                "rank_in_first": lists[0].ranks[recommended.item],
                "item": recommended.item,
                "title": recommended.title,
                "score": recommended.score,
                "popularity_group": facts[recommended.item].popularity_group,
                "held_out": bool(session.loaded and recommended.item == session.loaded.held_out),
                "archetype": snippets.get(recommended.item, ""),
                "session": ",".join(session.ids),
            }
            for ranked in lists
            for number, recommended in enumerate(ranked.items, start=1)
        ]
    )


def _download(
    dataset: str,
    session: Session,
    lists: Sequence[Ranked],
    facts: Mapping[str, verbs.Item],
    snippets: Mapping[str, str],
) -> None:
    st.caption(
        "Scores are comparable within one list only; a sequence model's are dot products of the session's state and the "
        "item's vector. The text is the first audience of the item's archetype."
    )
    st.download_button(
        "Download as CSV",
        table(session, lists, facts, snippets).to_csv(index=False),
        file_name=f"{dataset}-recommendations.csv",
        mime="text/csv",
        key="result_csv",
        icon=":material/download:",
        on_click="ignore",
    )
