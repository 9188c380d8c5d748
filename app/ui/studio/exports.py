"""Everything known about an item's archetypes, as JSON and as CSV: texts, provenance, scores, claims, votes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import services
from genair_engine import verbs


def buttons(dataset: str, detail: verbs.ItemDetail, scores: Mapping[str, verbs.ItemScores]) -> None:
    """All versions by all models, also those that are not shown."""
    name = f"archetypes-{re.sub(r'[^A-Za-z0-9._-]+', '-', f'{dataset}-{detail.item.item}')[:80]}"
    st.download_button(
        "Export JSON",
        lambda: as_json(dataset, detail, scores),
        file_name=f"{name}.json",
        mime="application/json",
        icon=":material/data_object:",
        on_click="ignore",
        key="export_json",
    )
    st.download_button(
        "Export CSV",
        lambda: as_csv(detail, scores),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/table:",
        on_click="ignore",
        key="export_csv",
    )


def as_json(dataset: str, detail: verbs.ItemDetail, scores: Mapping[str, verbs.ItemScores]) -> str:
    """The item, its metadata, every version with its scores and claims, and the votes on it."""
    votes = verbs.ratings(services.workspace(), verbs.RatingsRequest(dataset=dataset, item=detail.item.item)).recent
    exported: dict[str, Any] = {
        "dataset": dataset,
        "item": detail.item.model_dump(mode="json"),
        "attributes": detail.attributes,
        "pinned": detail.pinned,
        "archetypes": [
            text.model_dump(mode="json")
            | {"scorecard": scores[text.archetypes].model_dump(mode="json", include={"scores", "text"})}
            for text in detail.archetypes
        ],
        "failures": [failure.model_dump(mode="json") for failure in detail.failures],
        "votes": [vote.model_dump(mode="json") for vote in votes],
    }
    return json.dumps(exported, ensure_ascii=False, indent=2)


def as_csv(detail: verbs.ItemDetail, scores: Mapping[str, verbs.ItemScores]) -> bytes:
    """A row a version: text, provenance in columns, a column a measure. UTF-8 with a mark, so that spreadsheets read it."""
    rows = []
    for text in detail.archetypes:
        measured = scores[text.archetypes]
        live = {"grounding": measured.text.grounding, "segments": measured.text.segments} if measured.text else {}
        kept = text.model_dump(exclude={"opening", "audiences", "closing", "prompt", "sampling"})
        rows.append({"item": detail.item.item, "title": detail.item.title} | kept | text.sampling | measured.scores | live)
    return pd.DataFrame(rows).to_csv(index=False).encode("utf-8-sig")
