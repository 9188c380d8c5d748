"""Archetypes: one item, and what each language model wrote about the audiences that it is for; compare, rate, rewrite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.ui import datasets, guards, items, navigation, services, state
from app.ui.studio import catalogue, columns, exports, prompts, rating, what_if, writing
from app.ui.text import plain, title_of
from genair_engine import verbs

PAGE = "archetypes"
VIEWS = {
    "compare": ":material/view_column: Compare",
    "rate": ":material/visibility_off: Rate blind",
    "prompt": ":material/edit_note: Prompt",
    "what-if": ":material/compare_arrows: What if",
    "catalogue": ":material/inventory: Whole catalogue",
}


def nothing_yet(target: writing.Target, detail: verbs.ItemDetail, versions: list[str]) -> None:
    """An item without a text: write it, or go where there are some."""
    wanted = writing.wanted(target.dataset, target.item)
    columns.failures(detail)
    with st.container(border=True):
        st.markdown("**No archetype for this item yet.**")
        st.caption("Let a language model on this machine write one here and now, or the whole catalogue as a job.")
        with st.container(horizontal=True, vertical_alignment="center"):
            for model in verbs.writers(services.workspace())[: columns.SIDE_BY_SIDE]:
                st.button(
                    plain(f"Write with {model}"),
                    key=f"write_now_{model}",
                    icon=":material/edit_note:",
                    on_click=writing.start,
                    args=(target.dataset, target.item, model),
                    kwargs={"kind": target.kind},
                )
            writing.with_another_model(target, set(), versions)
            st.button(
                "Generate for the whole catalogue",
                icon=":material/inventory:",
                key="to_catalogue",
                on_click=state.keep,
                args=("view", "catalogue", PAGE),
            )
        st.page_link(
            navigation.ITEMS, label="Browse items", icon=":material/inventory_2:", query_params={"dataset": target.dataset}
        )
    if wanted is not None:
        writing.stream(wanted, st.empty(), detail)


def compare(
    dataset: verbs.DatasetState,
    detail: verbs.ItemDetail,
    shown: Sequence[columns.Column],
    scores: Mapping[str, verbs.ItemScores],
    versions: list[str],
    kind: str,
) -> None:
    """Texts side by side, what can be done with each, the ballot, and the way out as files."""
    target = writing.Target(dataset.dataset, detail.item.item, "compare", kind)
    wanted = writing.wanted(target.dataset, target.item)
    places = {}
    for place, column in zip(st.columns(len(shown)), shown, strict=True):
        with place.container(border=True, height="stretch"):
            scored = scores.get(column.shown.archetypes)
            columns.heading(column, detail.pinned)
            columns.version_picker(target.dataset, column)
            columns.chips(scored)
            with st.container(horizontal=True, gap="small"):
                if not columns.is_edited(column.shown):
                    writing.regenerate(target, column, versions)
                columns.pin_button(target.dataset, target.item, column, detail.pinned)
            places[column.model] = st.empty()
            columns.body(column.shown, scored.text if scored else None)
            columns.history(column, opened=writing.just_written(column.shown.archetypes))
    elsewhere = st.empty()
    columns.failures(detail)
    stale = {name for name in catalogue.measurable(dataset) if name in scores and scores[name].stale}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        writing.with_another_model(target, {archetype.model for archetype in detail.archetypes}, versions)
        exports.buttons(target.dataset, detail, scores)
        if stale:
            catalogue.measure_button(dataset, "Measure specificity, novelty and diversity")
        st.page_link(
            navigation.RECOMMEND,
            label="Start a session with this item",
            icon=":material/auto_awesome:",
            query_params={"dataset": target.dataset, "session": state.joined([target.item])},
        )
    with st.expander("Rate these texts", icon=":material/thumbs_up_down:", key="rate_open"):
        rating.ballot(target.dataset, target.item, {column.shown.archetypes: column.model for column in shown}, blind=False)
        rating.rates(target.dataset)
    if wanted is not None:
        writing.stream(wanted, places.get(wanted.model, elsewhere), detail)


def whole_catalogue(dataset: verbs.DatasetState) -> None:
    """What is about no single item."""
    catalogue.running(dataset.dataset)
    catalogue.generate(dataset)
    catalogue.scorecards(dataset)
    catalogue.failed(dataset.dataset)


def kind_of_text(dataset: str) -> str:
    """Which kind of text about items is looked at; a choice where there are several."""
    kinds = {name: kind for name, kind in verbs.TEXT_KINDS.items() if kind.unit == "item"}
    if len(kinds) == 1:
        return next(iter(kinds))
    return state.choice("Kind of text", list(kinds), "kind", dataset, shown=lambda name: f"{name}: {kinds[name].purpose}")


def one_item(dataset: verbs.DatasetState, view: str) -> None:
    """The item of the URL in one of its views."""
    kind = kind_of_text(dataset.dataset)
    detail = items.chosen(dataset.dataset, kind=kind)
    items.picker(dataset.dataset, detail.item if detail else None)
    if detail is None:
        return
    st.subheader(plain(title_of(detail.item.title, detail.item.item)), anchor=False)
    items.summary(detail.item)
    with st.expander("Metadata", icon=":material/description:"):
        items.attributes(detail.attributes)
    if view == "prompt":
        prompts.editor(dataset.dataset, detail.item)
        return
    written = columns.of_item(dataset.dataset, detail)
    if not written:
        target = writing.Target(dataset.dataset, detail.item.item, "first", kind)
        nothing_yet(target, detail, prompts.offered(kind))
        return
    if view == "what-if":
        what_if.view(dataset, detail)
        return
    shown = columns.choose(dataset.dataset, written)
    if view == "rate":
        rating.blind(dataset.dataset, detail.item.item, shown)
        return
    scores = {
        item_score.archetypes: item_score
        for item_score in verbs.item_scores(services.workspace(), dataset.dataset, detail.item.item)
    }
    compare(dataset, detail, shown, scores, prompts.offered(kind), kind)


guards.heading("Archetypes", "One item, and the audiences that each language model describes for it, side by side.")
chosen = datasets.choose()
view = state.view("View", VIEWS, "view", PAGE)
if view == "catalogue":
    whole_catalogue(chosen)
else:
    one_item(chosen, view)
