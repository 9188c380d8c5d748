"""Embeddings: the panels, colours, what is selected, what is missing and how it is computed, the spread and its words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app.ui import pictures
from genair_engine import jobs, verbs
from genair_engine.verbs.analysis.requests import Space
from genair_engine.workspace import Workspace
from tests.pages.conftest import OpenPage, check, page_text
from tests.workspaces import DATASET, HOSTILE_ID, FilledWorkspace

RESAMPLES = 200


def charts(shown: AppTest) -> dict[str, dict[str, Any]]:
    """Charts by the bold part of their title."""
    figures = [json.loads(chart.proto.spec) for chart in shown.get("plotly_chart")]
    return {figure["layout"]["title"]["text"].split("<br>")[0].strip("</b>"): figure for figure in figures}


def points(chart: dict[str, Any]) -> int:
    return sum(len(trace["text"]) for trace in chart["data"] if trace["name"] != "selected")


def button(shown: AppTest, label: str) -> Any:
    return next(button for button in shown.button if button.label == label)


def links(shown: AppTest) -> set[str]:
    return {link.proto.label for link in shown.get("page_link")}


def test_without_data_it_says_what_to_do(empty_app: OpenPage) -> None:
    assert "No catalogue yet" in [element.value for element in empty_app("embeddings").subheader]


def test_a_dataset_without_vectors_offers_the_next_step(app: OpenPage) -> None:
    shown = app("embeddings", dataset="untouched")
    assert "No item vectors yet" in page_text(shown)
    assert any("Write 64" in button.label for button in shown.button)


def test_three_panels_of_the_least_and_most_popular_items(jobs_app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = jobs_app("embeddings", dataset=DATASET)
    drawn = charts(shown)
    assert len(drawn) == 4  # three panels, and prefill beside decoding
    assert shown.query_params["a"] in (filled_workspace.id_run, [filled_workspace.id_run])
    for letter, what in zip("abc", ("sasrec with id", "sasrec with genair", "prefill + decoding"), strict=True):
        chart = next(chart for title, chart in drawn.items() if title.startswith(f"({letter}) {what}"))
        assert [trace["name"] for trace in chart["data"]] == ["1 · least popular", "5 · most popular"]
        assert points(chart) == 7  # fifths of 18 items: 4, 4, 3, 4, 3
    assert [trace["name"] for trace in drawn["PCA of both"]["data"]] == ["prefill states", "decoding states"]
    assert points(drawn["PCA of both"]) == 36
    assert "18 of 18 are placed" in page_text(shown) and "agreement of the layouts" in page_text(shown)
    assert "Click a point for its item" in page_text(shown)
    assert button(shown, "Measure 3 spaces")


def test_colours_by_category_over_all_groups(jobs_app: OpenPage) -> None:
    shown = jobs_app("embeddings", dataset=DATASET, colour="category", groups="1,2,3,4,5", b="–", c="–")
    (chart,) = (chart for title, chart in charts(shown).items() if title.startswith("(a)"))
    assert points(chart) == 18
    assert not any("popular" in trace["name"] for trace in chart["data"])


def test_titles_are_never_markup(jobs_app: OpenPage) -> None:
    shown = jobs_app("embeddings", dataset=DATASET, groups="1,2,3,4,5", selected=HOSTILE_ID)
    for chart in charts(shown).values():
        texts = [text for trace in chart["data"] for text in trace["text"]]
        hostile = next(text for text in texts if "alert" in text)
        assert "&lt;script&gt;" in hostile and hostile.count("<") == 1  # our own line break
    heading = shown.subheader[1].value
    assert "\\<script\\>" in heading


def test_what_a_link_selects_is_ringed_and_listed(jobs_app: OpenPage) -> None:
    shown = jobs_app("embeddings", dataset=DATASET, groups="1,2,3,4,5", selected="i1,i2,nothing")
    assert "2 items selected" in page_text(shown)
    assert "Start a session with 2" in links(shown)
    for title, chart in charts(shown).items():
        selected = next(trace for trace in chart["data"] if trace["name"] == "selected")
        assert len(selected["text"]) == (4 if title == "PCA of both" else 2)
    shown = check(button(shown, "Clear selection").click().run())
    assert "selected" not in shown.query_params and "items selected" not in page_text(shown)


def test_one_selected_item_can_be_opened(jobs_app: OpenPage) -> None:
    shown = jobs_app("embeddings", dataset=DATASET, selected="i1")
    assert {"Open the item", "Start a session with this"} <= links(shown)
    assert "times in training" in page_text(shown) or "time in training" in page_text(shown)


def test_a_slow_picture_is_a_job(jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace) -> None:
    shown = jobs_app("embeddings", dataset=DATASET, method="umap", a=filled_workspace.run, b="–", c="–")
    assert f"There is no UMAP picture of {filled_workspace.run} yet" in page_text(shown)
    assert not charts(shown)
    shown = check(button(shown, "Compute 1 UMAP picture").click().run())
    (job,) = jobs.jobs(filled_copy, jobs.JobsRequest()).jobs
    assert (job.kind, job.state) == ("project", "queued")
    assert job.config == {"spaces": [filled_workspace.run], "method": "umap"}
    assert "Waits" in page_text(shown)
    labels = [button.label for button in shown.button]
    assert labels.count("Compute 1 UMAP picture") == 1  # of the states, which nobody asked for


def test_the_spread_in_bars_words_and_numbers(
    jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace
) -> None:
    names = [space.space for space in verbs.spaces(filled_copy, DATASET) if space.space != filled_workspace.id_run][:2]
    verbs.analyse(filled_copy, verbs.AnalyseRequest(spaces=names, resamples=RESAMPLES))
    heights = []
    for order in ("1", "2"):
        shown = jobs_app("embeddings", dataset=DATASET, a=names[0], b=names[1], c="–", order=order)
        bars = charts(shown)["Matrix-based entropy by popularity group"]
        assert [trace["type"] for trace in bars["data"]] == ["bar", "bar"]
        assert f"entropy of order {order}" in bars["layout"]["yaxis"]["title"]["text"]
        heights.append(bars["data"][0]["y"])
    assert heights[0] != heights[1]
    words = page_text(shown)
    assert "rare items spread over about" in words and "different numbers of columns" in words
    assert "95% bootstrap bands from 200 resamples" in words and "Groups are fifths of the items" in words
    assert len(shown.dataframe[0].value) == 12
    shown = jobs_app("embeddings", dataset=DATASET, a=names[0], b=names[1], c="–", centre="yes")
    assert button(shown, "Measure 2 spaces")


FACTS = pd.DataFrame(
    {
        "position": range(1, 5001),
        "item": [f"i{number}" for number in range(5000)],
        "title": ["<b>a & b</b>", *["" for _ in range(4999)]],
        "categories": ["All, Tools, Saws", "All,Glass", "", "All"] + ["All, Tools"] * 4996,
        "popularity": range(5000),
        "group": [number // 1000 + 1 for number in range(5000)],
    }
)


def picture(points: int, of: int = 5000) -> verbs.Picture:
    space = Space(space="x", dataset="d", kind="trained", what="sasrec with id", width=2, parts=[], deviations=[])
    places = np.random.default_rng(0).normal(size=(points, 2))
    return verbs.Picture(space, np.arange(1, points + 1), places, of, [0.5, 0.2], 0.1)


@pytest.mark.parametrize(("count", "kind"), [(2000, "scatter"), (5000, "scattergl")])
def test_many_points_are_drawn_by_webgl(count: int, kind: str) -> None:
    colours = pictures.by_group(FACTS, [1, 2, 3, 4, 5])
    figure = pictures.panel(picture(count), FACTS, colours, "(a) x\ny", [1], 3.0)
    assert {trace.type for trace in figure.data} == {kind}
    assert isinstance(figure, go.Figure) and figure.layout.dragmode == "lasso"
    assert figure.data[0].text[0] == "&lt;b&gt;a &amp; b&lt;/b&gt;<br>taken 0 times in training"


def test_categories_that_most_items_share_tell_nothing() -> None:
    facts = FACTS.assign(categories=["All, Tools"] * 2000 + ["All, Glass"] * 1500 + [""] * 500 + ["All"] * 1000)
    colours = pictures.by_category(facts, [1, 2, 3, 4])
    names = [colours.names[member] if member >= 0 else "" for member in colours.member]
    assert [names[place] for place in (0, 2500, 3600, 4500)] == ["Tools", "Glass", pictures.NONE, ""]


def test_the_caption_says_that_it_is_a_sample() -> None:
    assert "this is a sample" in pictures.caption([picture(4000)], "pca")
    assert "sample" not in pictures.caption([picture(5000)], "pca")
    assert "hold 70% of the variance" in pictures.caption([picture(5000)], "pca")
    assert "mean little" in pictures.caption([picture(5000)], "umap")
