"""Item vectors in the plane: a scatter chart a space, coloured by popularity group, category or part, as for a paper.

Up to a few thousand points are drawn as vector graphics, so that a downloaded SVG is one; more of them by WebGL, which zooms
60,000 smoothly. Titles come from the catalogue: Plotly reads tags in texts, so that they are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.ui import curves, popularity
from app.ui.text import tagless
from genair_engine import verbs

VECTOR_GRAPHICS = 3000
"""Points of a chart up to which each is an element of the page."""
LONGEST_TITLE = 60
DIMMED = 0.12
"""Opacity of what is not selected, while something is."""
RINGED = 50
"""Selected points up to which each gets a ring; more of them would hide what is inside."""
OTHER = "other categories"
NONE = "no category"
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "circle-open")


@dataclass(frozen=True)
class Colours:
    """Classes of points, drawn in this order. member: class of every item, by position − 1; −1: not drawn."""

    names: list[str]
    colours: list[str]
    symbols: list[str]
    member: npt.NDArray[np.int64]


def by_group(facts: pd.DataFrame, shown: Sequence[int]) -> Colours:
    """Popularity groups, those that are shown."""
    palette = popularity.palette()
    groups = facts["group"].to_numpy()
    member = np.full(len(groups), -1)
    for place, group in enumerate(shown):
        member[groups == group] = place
    colours = [palette[group - 1] for group in shown]
    return Colours([popularity.name(group) for group in shown], colours, ["circle"] * len(shown), member)


def by_category(facts: pd.DataFrame, shown: Sequence[int]) -> Colours:
    """The largest categories among the items of these popularity groups; an item counts for the first that says something.

    That is the first one which not more than half of all items share.
    """
    split = facts["categories"].str.split(",").explode().str.strip()
    split = split[split != ""]
    sizes = split.value_counts()
    telling = split[~split.isin(sizes.index[sizes > len(facts) / 2])]
    first = telling[~telling.index.duplicated()].reindex(facts.index)
    drawn = facts["group"].isin(list(shown))
    largest = first[drawn].value_counts().index[: curves.MOST].tolist()
    names = [*largest, OTHER, NONE]
    member = first.map({name: place for place, name in enumerate(largest)}).fillna(len(largest)).to_numpy(dtype=np.int64)
    member[first.isna().to_numpy()] = len(largest) + 1
    member[~drawn.to_numpy()] = -1
    grey = "#8a8a8a"
    colours = [*(curves.DARK if _dark() else curves.LIGHT)[: len(largest)], grey, grey]
    return Colours(names, colours, [*SYMBOLS[: len(largest)], "circle-open", "x-thin-open"], member)


def panel(
    picture: verbs.Picture, facts: pd.DataFrame, colours: Colours, title: str, chosen: Sequence[int], size: float
) -> go.Figure:
    """A space's items. title: plain text, its first line in bold. chosen: positions to ring. size: half an axis' length."""
    classes = colours.member[picture.items - 1]
    hover = _hover(facts)
    traces = [
        (name, classes == place, colours.colours[place], colours.symbols[place]) for place, name in enumerate(colours.names)
    ]
    return _figure(picture, traces, hover, title, chosen, size)


def parts(picture: verbs.Picture, facts: pd.DataFrame, title: str, names: Sequence[str], chosen: Sequence[int]) -> go.Figure:
    """Prefill and decoding states of all items in one plane (the paper's figure 2). names: what the two are called."""
    assert picture.part is not None
    palette = curves.DARK if _dark() else curves.LIGHT
    traces = [(names[part], picture.part == part, palette[part], SYMBOLS[part]) for part in range(len(names))]
    return _figure(picture, traces, _hover(facts), title, chosen, 1.05 * float(np.abs(picture.points).max()))


def extent(pictures: Sequence[verbs.Picture], colours: Colours) -> float:
    """Half of the axes' length that holds every drawn point of all panels, so that their sizes compare."""
    drawn = [np.abs(picture.points[colours.member[picture.items - 1] >= 0]) for picture in pictures]
    return 1.05 * max(float(points.max(initial=0.1)) for points in drawn)


def caption(shown: Sequence[verbs.Picture], method: str) -> str:
    """How the panels came about and how to read them."""
    first = shown[0]
    sentences = [
        f"Every point is an item: {len(first.items):,} of {first.of:,} are placed, those of the chosen groups are drawn."
    ]
    if len(first.items) < first.of:
        sentences.append(
            "The catalogue is larger than a browser shows smoothly: this is a sample that keeps the groups' shares."
        )
    sentences.append(
        "Each panel is scaled so that all its items together lie at a root-mean-square distance of 1 from the centre."
    )
    if len(shown) > 1:
        agree = ", ".join(f"{picture.agreement:.2f} for ({'abc'[place]})" for place, picture in enumerate(shown) if place)
        sentences.append(
            f"Panels are turned and mirrored onto (a) (Procrustes); agreement of the layouts, 1 at most: {agree}."
        )
    if method == "pca":
        shares = ", ".join(f"{sum(picture.explained or []):.0%}" for picture in shown)
        sentences.append(
            f"The two axes hold {shares} of the variance: what lies apart here is apart, what lies together may not be."
        )
    else:
        sentences.append("Neighbours are kept where they can be; sizes of clusters and gaps between them mean little.")
    return " ".join(sentences)


def table(pictures: Sequence[verbs.Picture], facts: pd.DataFrame) -> pd.DataFrame:
    """What the panels show, for a CSV: a row an item (and part) of every space."""
    shown = []
    for picture in pictures:
        rows = facts.iloc[picture.items - 1][["item", "title", "popularity", "group"]].reset_index(drop=True)
        rows.insert(0, "space", picture.space.space)
        rows["x"], rows["y"] = picture.points.T
        if picture.part is not None:
            rows["part"] = np.array(picture.space.parts)[picture.part]
        shown.append(rows)
    return pd.concat(shown, ignore_index=True)


def _figure(
    picture: verbs.Picture,
    traces: Sequence[tuple[str, npt.NDArray[np.bool_], str, str]],
    hover: npt.NDArray[np.object_],
    title: str,
    chosen: Sequence[int],
    size: float,
) -> go.Figure:
    drawn = int(sum(member.sum() for _, member, _, _ in traces))
    kind = go.Scatter if drawn <= VECTOR_GRAPHICS else go.Scattergl
    marker = 7 if drawn <= 500 else 5 if drawn <= 5000 else 4 if drawn <= 20_000 else 3
    ringed = np.isin(picture.items, np.asarray(chosen, dtype=np.int64))
    figure = go.Figure()
    for name, member, colour, symbol in traces:
        points, items = picture.points[member].astype(np.float32), picture.items[member]
        opacity = np.where(ringed[member], 0.9, DIMMED).astype(np.float32) if ringed.any() else 0.7
        figure.add_trace(
            kind(
                x=points[:, 0],
                y=points[:, 1],
                mode="markers",
                name=tagless(name),
                marker={"color": colour, "size": marker, "symbol": symbol, "opacity": opacity, "line": {"width": 0}},
                customdata=items.astype(np.int32),
                text=hover[items - 1],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    if 0 < ringed.sum() <= RINGED:
        points, items = picture.points[ringed].astype(np.float32), picture.items[ringed]
        ring = "#ffffff" if _dark() else "#000000"
        figure.add_trace(
            kind(
                x=points[:, 0],
                y=points[:, 1],
                mode="markers",
                name="selected",
                marker={"color": ring, "size": marker + 5, "symbol": "circle-open", "line": {"width": 1.5}},
                customdata=items.astype(np.int32),
                text=hover[items - 1],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    first, _, rest = title.partition("\n")
    frame = {
        "range": [-size, size],
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "nticks": 5,
        "showline": True,
        "mirror": True,
        "linewidth": 1,
        "linecolor": "#8a8a8a",
    }
    figure.update_layout(
        title={"text": f"<b>{tagless(first)}</b><br><sub>{tagless(rest)}</sub>", "x": 0, "font": {"size": 14}},
        xaxis=frame | {"title": {"text": "axis 1 [RMS radius]", "standoff": 6}, "constrain": "domain"},
        yaxis=frame | {"title": {"text": "axis 2 [RMS radius]", "standoff": 2}, "scaleanchor": "x", "constrain": "domain"},
        legend={"orientation": "h", "y": -0.18, "x": 0, "itemsizing": "constant"},
        showlegend=True,
        height=480,
        margin={"l": 10, "r": 10, "t": 54, "b": 10},
        dragmode="lasso",
        uirevision="kept",  # a selection does not undo the reader's zoom
        hovermode="closest",
    )
    return figure


def _hover(facts: pd.DataFrame) -> npt.NDArray[np.object_]:
    """[n] what the pointer tells of each item."""
    titles = facts["title"].str.strip()
    titles = titles.where(titles != "", "Item " + facts["item"])
    cut = titles.str.slice(0, LONGEST_TITLE) + np.where(titles.str.len() > LONGEST_TITLE, "…", "")
    return np.asarray(cut.map(tagless) + "<br>taken " + facts["popularity"].astype(str) + " times in training", dtype=object)


def _dark() -> bool:
    return bool(st.context.theme.type == "dark")
