"""Embeddings: pictures of the spaces that items live in, the spread of rare and popular items, prefill against decoding."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.ui import datasets, guards, pictures, pipeline, popularity, selection, services, spaces, spread, state
from app.ui.text import count, plain
from genair_engine import verbs
from genair_engine.errors import GenairError

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
COLOURS = {"group": "Popularity group", "category": "Category"}
AT_ONCE = 20_000
"""Items of which a PCA picture is computed while the page is drawn."""
ORDERS = ("0.25", "0.5", "1", "2", "5", "10")
RESAMPLES = 200
NO_SPACE = "–"


def choose_spaces(dataset: verbs.DatasetState, known: dict[str, verbs.Space]) -> list[verbs.Space]:
    """Up to three spaces (`?a=`, `?b=`, `?c=`); what no link says are those that compare well."""
    offered = [name for name, space in known.items() if space.kind != "states"]
    suggestions = spaces.suggested(datasets.ready_runs(dataset.dataset), known)
    chosen = []
    columns = st.grid(spaces.PANELS, min_column_width=260)
    for place, parameter in enumerate("abc"):
        if place < len(suggestions) and not state.recall(parameter, dataset.dataset):
            state.keep(parameter, suggestions[place], dataset.dataset)
        options = offered if place == 0 else [NO_SPACE, *offered]
        with columns.cell():
            name = state.choice(
                f"Panel {place + 1}",
                options,
                parameter,
                dataset.dataset,
                shown=lambda name: spaces.label(known[name]) if name in known else "None",
            )
        if name != NO_SPACE and name not in chosen:
            chosen.append(name)
    return [known[name] for name in chosen]


def choose_groups(dataset: str) -> list[int]:
    """The popularity groups that are drawn (`?groups=1,5`): by default the least and the most popular one."""
    numbers = range(1, len(popularity.NAMES) + 1)
    asked = [
        int(number) for number in state.recall("groups", dataset).split(",") if number.isdecimal() and int(number) in numbers
    ]
    key = "groups_pills"
    st.session_state[key] = sorted(set(asked)) or [1, 5]

    def changed() -> None:
        state.keep("groups", ",".join(map(str, sorted(st.session_state[key]))), dataset)

    return list(
        st.pills("Groups shown", numbers, selection_mode="multi", format_func=popularity.name, key=key, on_change=changed)
        or [1, 5]
    )


def drawn(wanted: Sequence[verbs.Space], method: str, many: bool) -> list[verbs.Picture]:
    """The pictures of these spaces that are there, computed where that takes a moment; the others are offered as a job."""
    workspace = services.workspace()
    asked = verbs.ProjectRequest(spaces=[space.space for space in wanted], method=method)
    known = [verbs.stored_picture(workspace, asked, space) for space in wanted]
    missing = [space for space, picture in zip(wanted, known, strict=True) if picture is None]
    if missing and method == "pca" and not many:
        with st.spinner(f"Projecting {count(len(missing), 'space')}…"):
            for space in missing:
                request = verbs.ProjectRequest(spaces=[space.space], method=method)
                try:
                    verbs.project(workspace, request)
                except GenairError as error:
                    st.error(plain(f"{space.space}: {error}"), icon=":material/error:")
        known = [verbs.stored_picture(workspace, asked, space) for space in wanted]
    elif missing:
        names = [space.space for space in missing]
        spaces.offer(
            "project",
            verbs.ProjectRequest(spaces=names, method=method),
            plain(f"There is no {METHODS[method]} picture of {', '.join(names)} yet."),
            f"Compute {count(len(missing), f'{METHODS[method]} picture')}",
        )
    return verbs.aligned([picture for picture in known if picture is not None])


def planes(
    dataset: verbs.DatasetState,
    known: dict[str, verbs.Space],
    wanted: list[verbs.Space],
    facts: pd.DataFrame,
    groups: list[int],
    method: str,
    colour: str,
) -> None:
    """Everything on which items can be selected: a selection draws this part of the page anew, and nothing else."""
    name, many = dataset.dataset, dataset.items > AT_ONCE
    section("Items in the plane", "The same items in every panel. What lies in one small place is hard to tell apart.")
    projected = drawn(wanted, method, many)
    if projected:
        colouring = pictures.by_group if colour == "group" else pictures.by_category
        panels(name, facts, projected, colouring(facts, groups), method)
    spaces.deviations(wanted)

    both = {space.space: space for space in known.values() if space.kind == "states"}
    if both:
        section("Prefill against decoding", "The vectors of what the model read, beside those of the archetype that it wrote.")
        of = both[state.choice("Representation", list(both), "states", name, shown=lambda space: spaces.label(both[space]))]
        for picture in drawn([of], method, many):
            states(name, facts, picture, method)


def panels(dataset: str, facts: pd.DataFrame, shown: list[verbs.Picture], colours: pictures.Colours, method: str) -> None:
    """The panels side by side, what to see in them, and what is selected in any of them."""
    chosen = selection.selected(dataset, facts)
    size = pictures.extent(shown, colours)
    grid = st.grid(len(shown), min_column_width=300)
    for place, picture in enumerate(shown):
        title = f"({'abc'[place]}) {picture.space.what}\n{picture.space.space}"
        figure = pictures.panel(picture, facts, colours, title, chosen, size)
        alt = f"{METHODS[method]} picture of {picture.space.what}, points coloured by {', '.join(colours.names)}"
        with grid.cell():
            selection.chart(figure, f"panel_{place}", f"{dataset}-{picture.space.space}-{method}", alt, dataset, facts)
    st.caption(plain(pictures.caption(shown, method)))
    selection.download(pictures.table(shown, facts), f"{dataset}-{method}.csv")
    selection.show(dataset, facts, chosen)


def spreads(dataset: str, chosen: list[verbs.Space]) -> None:
    """Entropy of each popularity group in each space, in a chart, in words and in numbers."""
    if not state.recall("order", dataset):
        state.keep("order", "1", dataset)
    left, right, _ = st.columns([1, 1, 3], vertical_alignment="bottom")
    with left:
        order = state.choice(
            "Order ρ",
            list(ORDERS),
            "order",
            dataset,
            help="1 is the paper's. Below 1 weak directions count for more, above 1 strong ones.",
        )
    with right:
        key = "centre_toggle"
        st.session_state[key] = state.recall("centre", dataset) == "yes"

        def changed() -> None:
            state.keep("centre", "yes" if st.session_state[key] else "", dataset)

        centre = st.toggle(
            "Centred", key=key, on_change=changed, help="Take the mean of all items' vectors away first. The paper does not."
        )
    workspace = services.workspace()
    options = {"resamples": RESAMPLES} | ({"centre": True} if centre else {})
    request = verbs.AnalyseRequest(spaces=[space.space for space in chosen], **options)
    asked = request.model_copy(update={"orders": [float(order)]})
    known = [verbs.stored_spread(workspace, asked, space) for space in chosen]
    missing = [space.space for space, measured in zip(chosen, known, strict=True) if measured is None]
    if missing:
        spaces.offer(
            "analyse",
            verbs.AnalyseRequest(spaces=missing, **options),
            plain(f"The spread of {', '.join(missing)} has not been measured yet."),
            f"Measure {count(len(missing), 'space')}",
        )
    there = [measured for measured in known if measured is not None]
    if not there:
        return
    names = spaces.short([space for space, measured in zip(chosen, known, strict=True) if measured is not None])
    st.plotly_chart(
        spread.bars(there, names, float(order)),
        key="entropy_bars",
        config=selection.buttons(dataset, f"{dataset}-entropy"),
        alt="Matrix-based entropy of each popularity group in each space",
    )
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in spread.in_words(there, names)))
    st.caption(
        plain(
            f"Entropy S of order {order} of K = Z Zᵀ (the paper's equation 25), vectors "
            f"{'without their mean' if centre else 'not centred'}; 0 if all point one way, at most ln min(items, columns). "
            f"Whiskers: 95% bootstrap bands from {RESAMPLES} resamples of a group's items. {spread.ties(there[0])}"
        )
    )
    table = spread.table(there)
    with st.expander("The numbers", icon=":material/table:"):
        st.dataframe(table, hide_index=True, column_config=spread.columns())
        selection.download(table, f"{dataset}-spread.csv")


def states(dataset: str, facts: pd.DataFrame, picture: verbs.Picture, method: str) -> None:
    """Prefill and decoding states in one plane, and how far they are apart."""
    space = picture.space
    chosen = selection.selected(dataset, facts)
    encoder = "metadata" in space.what
    names = ("metadata", "archetypes") if encoder else ("prefill states", "decoding states")
    left, right = st.columns([2, 1], gap="large", vertical_alignment="center")
    with left:
        figure = pictures.parts(picture, facts, f"{METHODS[method]} of both\n{space.space}", names, chosen)
        selection.chart(
            figure,
            "panel_states",
            f"{dataset}-{space.space.replace(':', '-')}-{method}",
            f"{METHODS[method]} picture of {space.what}",
            dataset,
            facts,
        )
    with right:
        assert picture.contrast is not None
        own, same, others = picture.contrast
        st.metric("Nearer to the mean of their own kind", f"{own:.1%}", help="Of all vectors; 50% if they were the same.")
        st.metric("Cosine of an item's two vectors", f"{same:.3f}")
        st.metric("Cosine with another item's", f"{others:.3f}")
        st.markdown(plain(spread.apart(own, same, others, names)))
        st.caption(
            "Both come from the same space; they are brought back from the stored components, which hold the share of the "
            "variance that the representation kept. Cosines are means over items, and over pairs of different items."
        )


def section(title: str, purpose: str) -> None:
    st.subheader(title, anchor=False)
    st.caption(purpose)


guards.heading("Embeddings", "The space that items live in: pictures of it, and how widely popular and rare items spread.")
dataset = datasets.choose()
name = dataset.dataset
known = {space.space: space for space in verbs.spaces(services.workspace(), name)}
if not known:
    with st.container(border=True):
        st.markdown("**No item vectors yet.** A representation or a trained model has some:")
        pipeline.next_step(dataset)
    st.stop()
chosen = choose_spaces(dataset, known)
controls = st.grid(4, min_column_width=150)
with controls.cell():
    method = state.choice("Projection", list(METHODS), "method", name, shown=METHODS.__getitem__)
with controls.cell():
    colour = state.choice("Colour", list(COLOURS), "colour", name, shown=COLOURS.__getitem__)
with controls.cell():
    state.choice(
        "Image format", list(selection.FORMATS), "image", name, shown=str.upper, help="Of the camera button beside a chart."
    )
groups = choose_groups(name)
facts = verbs.item_facts(services.workspace(), name)
guards.fragment(planes)(dataset, known, chosen, facts, groups, method, colour)
section("Spread by popularity", "Over how many directions the vectors of rare and of popular items spread.")
guards.fragment(spreads)(name, chosen)
