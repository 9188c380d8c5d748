"""Charts of training: a line a run, loss and validation beside each other, and the same numbers as a table.

Colours are Okabe and Ito's for colour-blind people, darker ones on a light background; a line's dashes repeat what its colour
says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from genair_engine import verbs

LIGHT = ("#0072b2", "#d55e00", "#007a5a", "#a8478a", "#7a5c00", "#4d4d4d")
DARK = ("#56b4e9", "#ff8a3d", "#2fd0a0", "#e39ac6", "#f0e442", "#c8c8c8")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MOST = len(LIGHT)
"""Runs that a chart can tell apart."""
VALIDATION = "NDCG@10"


def table(epochs: Mapping[str, Sequence[verbs.Epoch]]) -> pd.DataFrame:
    """A row an epoch of every run: losses, validation metrics, seconds."""
    rows = [
        {"run": run, "epoch": epoch.epoch, "stage": epoch.stage}
        | {f"loss_{name}": value for name, value in epoch.losses.items()}
        | {f"valid_{name}": value for name, value in epoch.valid.items()}
        | {"seconds": epoch.seconds}
        for run, all_of_it in epochs.items()
        for epoch in all_of_it
    ]
    return pd.DataFrame(rows)


def loss(epochs: Mapping[str, Sequence[verbs.Epoch]], names: Mapping[str, str]) -> go.Figure:
    """Training loss by epoch. names: what a run is called in the legend."""
    lines = {run: [epoch.losses["total"] for epoch in all_of_it] for run, all_of_it in epochs.items()}
    return _figure("Training loss", "loss (mean over the epoch's steps)", epochs, lines, names, {})


def validation(epochs: Mapping[str, Sequence[verbs.Epoch]], names: Mapping[str, str], best: Mapping[str, int]) -> go.Figure:
    """Validation NDCG@10 by epoch, the best epoch marked. best: by run, 0 where there is none yet."""
    lines = {run: [epoch.valid.get(VALIDATION) for epoch in all_of_it] for run, all_of_it in epochs.items()}
    return _figure(f"Validation {VALIDATION}", f"{VALIDATION}, validation items", epochs, lines, names, best)


def _figure(
    title: str,
    axis: str,
    epochs: Mapping[str, Sequence[verbs.Epoch]],
    lines: Mapping[str, Sequence[float | None]],
    names: Mapping[str, str],
    best: Mapping[str, int],
) -> go.Figure:
    longest = max((epoch.epoch for all_of_it in epochs.values() for epoch in all_of_it), default=1)
    colours = DARK if st.context.theme.type == "dark" else LIGHT
    figure = go.Figure()
    for place, (run, values) in enumerate(lines.items()):
        marked = [10 if epoch.epoch == best.get(run) else 4 for epoch in epochs[run]]
        symbols = ["star" if epoch.epoch == best.get(run) else "circle" for epoch in epochs[run]]
        figure.add_scatter(
            x=[epoch.epoch for epoch in epochs[run]],
            y=list(values),
            name=names[run],
            mode="lines+markers",
            line={"color": colours[place % MOST], "dash": DASHES[place % MOST], "width": 2},
            marker={"size": marked, "symbol": symbols},
            hovertemplate="epoch %{x}: %{y:.4f}",
        )
    figure.update_layout(
        title={"text": title, "x": 0, "font": {"size": 15}},
        xaxis={"title": "epoch", "dtick": 1 if longest <= 12 else None, "tickformat": "d"},
        yaxis={"title": axis},
        legend={"orientation": "h", "y": -0.25, "x": 0},
        height=340,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        showlegend=True,
        uirevision=title,  # a new epoch does not undo the reader's zoom
        hovermode="x unified",
    )
    return figure
