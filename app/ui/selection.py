"""What a reader picks out of pictures of items: by a click or a lasso, as a table, and on to a session.

The selection belongs to a dataset and is shared by all its charts: each of them rings the selected items, so that eyes can
follow them from one to the next. It is kept in the tab, and in the link where a session could hold it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.ui import items, navigation, services, state
from app.ui.text import plain, title_of
from genair_engine import verbs

LONGEST_SESSION = 50
IN_TABLE = 1000
FORMATS = ("svg", "png")
"""Of an image that is downloaded by a chart's camera button (`?image=`)."""


def selected(dataset: str, facts: pd.DataFrame) -> list[int]:
    """Positions of the selected items: of the link (`?selected=`), or where they are too many for one, of this tab."""
    linked = state.separated(state.recall("selected", dataset))
    if linked:
        return facts.loc[facts["item"].isin(linked), "position"].tolist()
    return list(st.session_state.get(_slot(dataset), []))


def select(dataset: str, facts: pd.DataFrame, positions: Sequence[int]) -> None:
    """Makes these the selected items; none clears the selection."""
    chosen = sorted(set(positions))
    short = len(chosen) <= LONGEST_SESSION
    ids = facts["item"].iloc[[position - 1 for position in chosen]].tolist() if short else []
    state.keep("selected", state.joined(ids), dataset)
    st.session_state[_slot(dataset)] = [] if short else chosen


def _slot(dataset: str) -> str:
    return f"embeddings_selected:{dataset}"


def chart(figure: go.Figure, key: str, file: str, alt: str, dataset: str, facts: pd.DataFrame) -> None:
    """A chart whose points can be clicked or lassoed. An empty selection changes nothing: there is a button to clear it.

    file: what a downloaded image is called.
    """

    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            select(dataset, facts, [int(point["customdata"]) for point in points])

    st.plotly_chart(
        figure,
        key=key,
        on_select=picked,
        selection_mode=("points", "lasso"),
        config=buttons(dataset, file),
        alt=alt,
    )


def buttons(dataset: str, file: str) -> dict[str, object]:
    """A chart's configuration with a camera button that downloads the image as the reader wants it."""
    form = state.recall("image", dataset) or FORMATS[0]
    image = {"format": form, "filename": file, "scale": 3 if form == "png" else 1}
    return {"displaylogo": False, "toImageButtonOptions": image}


def download(table: pd.DataFrame, file: str) -> None:
    st.download_button(
        "Download as CSV",
        table.to_csv(index=False),
        file_name=file,
        mime="text/csv",
        key=f"csv_{file}",
        icon=":material/download:",
        on_click="ignore",
    )


def show(dataset: str, facts: pd.DataFrame, positions: list[int]) -> None:
    """What is selected: one item with its facts, several as a table, and what can be done with them."""
    if not positions:
        st.caption("Click a point for its item, or draw around a cluster (lasso) for a table that can become a session.")
        return
    chosen = facts.iloc[[position - 1 for position in positions]]
    session = chosen.nlargest(LONGEST_SESSION, "popularity")["item"].tolist()
    details = verbs.known_items(services.workspace(), dataset, chosen["item"].head(IN_TABLE).tolist())
    shown = sorted(details.values(), key=lambda item: -item.popularity)
    with st.container(border=True, key="selected_items"):
        if len(shown) == 1:
            st.subheader(plain(title_of(shown[0].title, shown[0].item)), anchor=False)
            items.summary(shown[0])
        else:
            st.subheader(f"{len(positions):,} items selected", anchor=False)
            st.dataframe(items.table(shown), hide_index=True, height=280, column_config=items.table_columns())
            if len(positions) > IN_TABLE:
                st.caption(f"The table shows {IN_TABLE:,} of them; the CSV has all.")
        with st.container(horizontal=True, vertical_alignment="center"):
            number = min(len(positions), LONGEST_SESSION)
            # Links: from a button in a fragment the other page would begin with this page's widgets still in place.
            st.page_link(
                navigation.RECOMMEND,
                label="Start a session with this" if number == 1 else f"Start a session with {number}",
                icon=":material/auto_awesome:",
                help=f"A session holds at most {LONGEST_SESSION} items: the most popular ones of the selection."
                if len(positions) > LONGEST_SESSION
                else None,
                query_params={"dataset": dataset, "session": state.joined(session)},
                width="content",
            )
            if len(shown) == 1:
                st.page_link(
                    navigation.ITEMS,
                    label="Open the item",
                    icon=":material/inventory_2:",
                    query_params={"dataset": dataset, "item": shown[0].item},
                    width="content",
                )
            download(chosen.drop(columns="position"), f"{dataset}-selection.csv")
            st.button(
                "Clear selection",
                key="selection_clear",
                icon=":material/deselect:",
                on_click=select,
                args=(dataset, facts, []),
            )
