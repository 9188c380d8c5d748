"""The five popularity groups (quintiles of training counts) as the app names and colours them.

Colours are steps of the plasma map: they grow lighter with popularity, so that they keep their order for colour-blind
people and in grey, and each has a contrast of at least 3:1 to its theme's background. A name always stands beside them.
The same lists are `chartCategoricalColors` in .streamlit/config.toml.
"""

from __future__ import annotations

import streamlit as st

LIGHT = ("#0d0887", "#6f00a8", "#b12a90", "#db5c68", "#e5732a")
DARK = ("#c23fa0", "#e16462", "#f2844b", "#fca636", "#f0f921")
NAMES = ("1 · least popular", "2 · less popular", "3 · middle", "4 · more popular", "5 · most popular")


def name(group: int) -> str:
    """What the app calls a group, 1…5."""
    return NAMES[group - 1]


def palette() -> tuple[str, ...]:
    """The groups' colours on the background that the reader sees, least popular first."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def label(group: int) -> str:
    """Markdown: a dot in the group's colour, and its name."""
    return f':color[●]{{foreground="{palette()[group - 1]}"}} {name(group)}'
