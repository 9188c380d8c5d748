"""Archetypes: one item, and what each language model wrote about the audiences that it is for, side by side."""

from __future__ import annotations

import streamlit as st

from app.ui import datasets, guards, items, navigation, state
from app.ui.text import count, is_demo, plain, title_of
from genair_engine import verbs

SIDE_BY_SIDE = 4
"""Most texts at once."""


def name(text: verbs.ArchetypeText) -> str:
    """A text's writer; sampling and seed tell sets of one model apart."""
    if text.backend == "edited":
        return f"{text.model} · read by {read_by(text)} · set {text.archetypes}"
    drawn = "greedy" if text.sampling["greedy"] else f"temperature {text.sampling['temperature']:g}"
    return f"{text.model} · {drawn} · seed {text.seed}"


def read_by(text: verbs.ArchetypeText) -> str:
    """The model that read a text which it did not write."""
    return str(text.sampling.get("reader") or text.sampling.get("encoder"))


def provenance(text: verbs.ArchetypeText) -> None:
    """How a text came about."""
    sampling = text.sampling
    if text.backend == "edited":
        for key, value in {"Written by": "a person", "Read by": read_by(text), "Prompt": text.prompt_version}.items():
            st.text(f"{key}: {value}")
        st.text(f"Archetype set: {text.archetypes}")
        return
    drawn = (
        "greedy"
        if sampling["greedy"]
        else f"temperature {sampling['temperature']:g}, top-p {sampling['top_p']:g}, "
        f"repetition penalty {sampling['repetition_penalty']:g}"
    )
    end = "ended by the model" if text.finish == "eos" else f"cut at {count(sampling['max_new_tokens'], 'token')}"
    rows = {
        "Model": text.model,
        "Revision": text.revision,
        "Prompt": text.prompt_version,
        "Sampling": drawn,
        "Seed": str(text.seed),
        "Tokens": f"{text.prompt_tokens:,} in the prompt, {text.generated_tokens:,} written",
        "Time": f"{text.seconds:.2f} s (its share of the batch)",
        "End": end,
        "Archetype set": text.archetypes,
    }
    if text.backend == "openai":
        rows |= {"Server": text.sampling["server"], "Read by": read_by(text)}
    for key, value in rows.items():
        st.text(f"{key}: {value}")


def show(text: verbs.ArchetypeText) -> None:
    """One text in its parts."""
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(text.model)}**", width="content")
            if is_demo(text.model):
                st.badge(
                    "demo",
                    icon=":material/science:",
                    color="orange",
                    help="A tiny model that comes with this project, to try it without a download. "
                    "Its texts are not what a real language model would write.",
                )
            with st.popover("Provenance", icon=":material/history_edu:", type="tertiary"):
                provenance(text)
        if text.opening:
            st.text(text.opening)
        for number, audience in enumerate(text.audiences, start=1):
            with st.container(border=True, gap="xsmall"):
                st.caption(f"Audience {number}")
                st.text(audience)
        if text.closing:
            st.text(text.closing)
        if not text.text.strip():
            st.caption("The model wrote nothing.")
        elif text.finish == "length":
            st.caption("Cut off at the most tokens allowed.")


guards.heading("Archetypes", "One item, and the audiences that each language model describes for it, side by side.")
dataset = datasets.choose()
detail = items.chosen(dataset.dataset)
items.picker(dataset.dataset, detail.item if detail else None)
if detail is None:
    st.stop()

st.subheader(plain(title_of(detail.item.title, detail.item.item)), anchor=False)
items.facts(detail.item)
with st.expander("Metadata", icon=":material/description:"):
    items.attributes(detail.attributes)

texts = {text.archetypes: text for text in detail.archetypes}
if not texts:
    with st.container(border=True):
        st.markdown("**No archetype for this item yet.** Write some from a terminal, then come back:")
        guards.commands(*(f"generate {dataset.dataset} --model {model}" for model in ("demo-llama", "demo-qwen")))
        st.caption("With `--limit 64` only the first 64 items of the catalogue get one.")
        if any(one.items for one in dataset.archetype_sets):
            st.page_link(
                navigation.ITEMS,
                label="Find items that have one",
                icon=":material/inventory_2:",
                query_params={"dataset": dataset.dataset, "from": dataset.archetype_sets[0].model},
            )
    st.stop()

shown = list(texts)[:SIDE_BY_SIDE]
if len(texts) > 2:
    shown = st.multiselect(
        "Texts to compare",
        list(texts),
        default=shown,
        format_func=lambda one: name(texts[one]),
        max_selections=SIDE_BY_SIDE,
        key=f"archetype_texts_{dataset.dataset}_{detail.item.position}",
    )
if shown:
    for column, one in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            show(texts[one])
st.page_link(
    navigation.RECOMMEND,
    label="Start a session with this item",
    icon=":material/auto_awesome:",
    query_params={"dataset": dataset.dataset, "session": state.joined([detail.item.item])},
)
