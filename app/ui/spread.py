"""How widely item vectors spread, by popularity group: bars with bootstrap bands, the numbers, and what they say in words.

The words are made from the numbers and claim nothing that these do not say: where bands overlap no difference is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.ui import curves, popularity
from app.ui.text import tagless
from genair_engine import verbs

LEAST, MOST = 1, 5
LINES = {"fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.45, "size": 6}
STRIPES: tuple[dict[str, object], ...] = ({"shape": ""}, LINES | {"shape": "/"}, LINES | {"shape": "."})
"""Of the bars of a space, so that colour is not all that tells them apart."""
NAMES = {LEAST: "the least popular fifth", MOST: "the most popular fifth"}


def bars(spreads: Sequence[verbs.SpaceSpread], names: Sequence[str], order: float) -> go.Figure:
    """Entropy of that order, a bar a group and space, with its band (the paper's figure 5 d)."""
    palette = curves.DARK if st.context.theme.type == "dark" else curves.LIGHT
    figure = go.Figure()
    for place, (spread, name) in enumerate(zip(spreads, names, strict=True)):
        entropies = {group.group: group.entropies[0] for group in spread.groups if group.group and group.entropies}
        values = [entropies[group].value for group in entropies]
        above = [(entropies[group].high or entropies[group].value) - entropies[group].value for group in entropies]
        below = [entropies[group].value - (entropies[group].low or entropies[group].value) for group in entropies]
        figure.add_bar(
            x=[popularity.name(group) for group in entropies],
            y=values,
            name=tagless(name),
            marker={"color": palette[place % curves.MOST], "pattern": STRIPES[place % 3]},
            error_y={"type": "data", "array": above, "arrayminus": below, "thickness": 1.2, "width": 3},
            hovertemplate="%{y:.3f} (+%{error_y.array:.3f} −%{error_y.arrayminus:.3f})",
        )
    figure.update_layout(
        title={"text": "Matrix-based entropy by popularity group", "x": 0, "font": {"size": 15}},
        xaxis={"title": "popularity group (fifths of the items by training interactions)"},
        yaxis={"title": f"entropy of order {order:g} [nats]", "rangemode": "tozero"},
        legend={"orientation": "h", "y": -0.28, "x": 0},
        barmode="group",
        height=380,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        showlegend=True,
        hovermode="x unified",
    )
    return figure


def table(spreads: Sequence[verbs.SpaceSpread]) -> pd.DataFrame:
    """A row a space and group, with everything that was measured."""
    rows = []
    for spread in spreads:
        for group in spread.groups:
            entropy = group.entropies[0] if group.entropies else None
            rows.append(
                {
                    "space": spread.space,
                    "vectors": spread.what,
                    "group": popularity.name(group.group) if group.group else "all items",
                    "items": group.items,
                    "taken_least": group.least,
                    "taken_most": group.most,
                    "order": entropy.order if entropy else None,
                    "entropy": entropy.value if entropy else None,
                    "band_low": entropy.low if entropy else None,
                    "band_high": entropy.high if entropy else None,
                    "largest_possible": group.bound,
                    "effective_rank": group.effective_rank,
                    "mean_cosine": group.cosine,
                    "isotropy": group.isotropy,
                }
            )
    return pd.DataFrame(rows)


def columns() -> dict[str, object]:
    """How the columns of `table` look."""
    number = st.column_config.NumberColumn
    return {
        "taken_least": number("taken, least", help="Training interactions of the item that has fewest of them."),
        "taken_most": number("taken, most"),
        "entropy": number("entropy [nats]", format="%.3f"),
        "band_low": number("band, low", format="%.3f"),
        "band_high": number("band, high", format="%.3f"),
        "largest_possible": number("at most", format="%.3f", help="ln min(items, columns): what no entropy can exceed."),
        "effective_rank": number(
            "effective rank",
            format="%.1f",
            help="exp of the entropy of order 1: so many equally strong directions have it.",
        ),
        "mean_cosine": number("mean cosine", format="%.3f", help="Over all pairs of two items of the group."),
        "isotropy": number("isotropy", format="%.3f", help="IsoScore: 1 varies alike in all directions, 0 along one only."),
    }


def in_words(spreads: Sequence[verbs.SpaceSpread], names: Sequence[str]) -> list[str]:
    """What the figures say, sentence by sentence: the spaces against each other, then rare against popular items in each."""
    sentences = [_widest(spreads, names, group) for group in (LEAST, MOST)] if len(spreads) > 1 else []
    sentences += [_rare_against_popular(spread, name) for spread, name in zip(spreads, names, strict=True)]
    widths = {spread.width for spread in spreads}
    if len(widths) > 1:
        sentences.append("Their vectors have different numbers of columns, which alone allows them different entropies.")
    if any(spread.kind == "trained" for spread in spreads):
        sentences.append(
            "The bands tell how much depends on which items a group holds; another training seed may differ as well."
        )
    return [sentence for sentence in sentences if sentence]


def apart(own: float, same: float, others: float, names: tuple[str, str]) -> str:
    """What the three numbers of `verbs.Picture.contrast` say."""
    kinds = f"{names[0].capitalize()} and {names[1]}"
    if own >= 0.95:
        verdict = f"{kinds} fill two regions of their own."
    elif own >= 0.75:
        verdict = f"{kinds} differ on the whole and overlap in part."
    else:
        verdict = f"{kinds} cannot be told apart by their means."
    nearer = "closer to each other than" if same > others else "no closer to each other than"
    return f"{verdict} An item's two vectors are {nearer} vectors of different items ({same:.3f} against {others:.3f})."


def ties(spread: verbs.SpaceSpread) -> str:
    """How the groups were cut, where items of equal popularity had to be parted or were never taken."""
    groups = [group for group in spread.groups if group.group]
    cut = [
        f"{lower.group} and {upper.group} (taken {_times(lower.most)})"
        for lower, upper in itertools.pairwise(groups)
        if lower.most == upper.least
    ]
    note = "Groups are fifths of the items by training interactions, of equal size."
    if cut:
        note += f" Items taken equally often are on both sides of a cut, in the catalogue's order: groups {', '.join(cut)}."
    if groups and groups[0].least == 0:
        note += " Items that training never saw are in the least popular group."
    return note


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _rare_against_popular(spread: verbs.SpaceSpread, name: str) -> str:
    pair = [_group(spread, group) for group in (LEAST, MOST)]
    if None in pair:
        return f"{name}: too few items in its groups to compare."
    rare, popular = (group for group in pair if group is not None)
    told = (
        f"{name}: rare items spread over about {_rank(rare)} directions of equal strength, popular ones over {_rank(popular)}"
    )
    if _overlap(rare, popular):
        return f"{told}; the bands overlap, so that no difference is certain."
    return f"{told}: rare items are {'more' if _entropy(rare) < _entropy(popular) else 'less'} concentrated."


def _widest(spreads: Sequence[verbs.SpaceSpread], names: Sequence[str], group: int) -> str:
    measured = [
        (entropy, name) for spread, name in zip(spreads, names, strict=True) if (entropy := _group(spread, group)) is not None
    ]
    if len(measured) < 2:
        return ""
    measured.sort(key=lambda pair: -_entropy(pair[0]))
    (first, name), (second, next_name) = measured[:2]
    if _overlap(first, second):
        unclear = [other for entropy, other in measured[1:] if _overlap(first, entropy)]
        return f"In {NAMES[group]} {_listed([name, *unclear])} cannot be told apart: their bands overlap."
    return (
        f"In {NAMES[group]} {name} spreads most widely, over {_rank(first)} directions against {_rank(second)} of {next_name}."
    )


def _group(spread: verbs.SpaceSpread, group: int) -> verbs.GroupSpread | None:
    return next((measured for measured in spread.groups if measured.group == group and measured.entropies), None)


def _entropy(group: verbs.GroupSpread) -> float:
    return group.entropies[0].value


def _overlap(measured: verbs.GroupSpread, other: verbs.GroupSpread) -> bool:
    """Whether the bands of their entropies have a value in common; without bands nothing is certain."""
    first, second = measured.entropies[0], other.entropies[0]
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return True
    return first.low <= second.high and second.low <= first.high


def _rank(group: verbs.GroupSpread) -> str:
    return f"{group.effective_rank:.0f}" if group.effective_rank is not None else "?"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"
