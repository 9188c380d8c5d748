"""A column of the studio: what one language model wrote about the item, in the version that is looked at.

Which models stand side by side is in the URL (`?models=`), and so is which version of each (`?versions=`, archetype sets).
Without a choice it is the pinned version, or else the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from app.ui import services, state
from app.ui.studio import marked
from app.ui.text import count, is_demo, plain
from genair_engine import verbs

SIDE_BY_SIDE = 4
"""Most texts at once."""


@dataclass(frozen=True)
class Column:
    """versions: of this model, newest first. shown: one of them."""

    model: str
    versions: list[verbs.ArchetypeText]
    shown: verbs.ArchetypeText


def of_item(dataset: str, detail: verbs.ItemDetail) -> list[Column]:
    """A column for every model that has written about the item, the first model first."""
    by_model: dict[str, list[verbs.ArchetypeText]] = {}
    for text in detail.archetypes:
        by_model.setdefault(text.model, []).append(text)
    asked = state.separated(state.recall("versions", dataset))
    columns = []
    for model, texts in by_model.items():
        versions = sorted(texts, key=lambda text: text.created_at, reverse=True)
        wanted = [version for version in versions if version.archetypes in asked]
        pinned = [version for version in versions if version.archetypes == detail.pinned]
        columns.append(Column(model, versions, [*wanted, *pinned, *versions][0]))
    return columns


def choose(dataset: str, columns: Sequence[Column]) -> list[Column]:
    """Those that stand side by side; a picker where there are more than two."""
    by_model = {column.model: column for column in columns}
    asked = [model for model in dict.fromkeys(state.separated(state.recall("models", dataset))) if model in by_model]
    shown = (asked or list(by_model))[:SIDE_BY_SIDE]
    if len(by_model) <= 2:
        return [by_model[model] for model in by_model]
    key = f"studio_models_{dataset}"
    if st.session_state.get(key) != shown:
        st.session_state[key] = shown
    st.multiselect(
        "Language models side by side",
        list(by_model),
        max_selections=SIDE_BY_SIDE,
        key=key,
        on_change=lambda: state.keep("models", state.joined(st.session_state[key]), dataset),
    )
    return [by_model[model] for model in shown]


def look_at(dataset: str, column: Sequence[verbs.ArchetypeText], archetypes: str) -> None:
    """Shows this version in its column from now on."""
    others = {text.archetypes for text in column}
    kept = [version for version in state.separated(state.recall("versions", dataset)) if version not in others]
    state.keep("versions", state.joined([*kept, archetypes]), dataset)


def name(text: verbs.ArchetypeText) -> str:
    """A version of a model, told from its others."""
    return f"{text.created_at:%d %b %H:%M} · {drawn(text)} · seed {text.seed} · prompt {text.prompt_version}"


def is_edited(text: verbs.ArchetypeText) -> bool:
    """Written or edited by a person, and only read by a model."""
    return text.backend == "edited"


def reader(text: verbs.ArchetypeText) -> str | None:
    """The model that read a text which it did not write; None where its writer did."""
    return text.sampling.get("reader") or text.sampling.get("encoder")


def drawn(text: verbs.ArchetypeText) -> str:
    if is_edited(text):
        return f"read by {reader(text)}"
    return "greedy" if text.sampling["greedy"] else f"temperature {text.sampling['temperature']:g}"


def provenance(text: verbs.ArchetypeText) -> None:
    """How a text came about."""
    sampling = text.sampling
    if is_edited(text):
        for key, value in {"Written by": "a person", "Read by": reader(text), "Prompt": text.prompt_version}.items():
            st.text(f"{key}: {value}")
        st.text(f"Archetype set: {text.archetypes}")
        return
    how = (
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
        "Sampling": how,
        "Seed": str(text.seed),
        "Tokens": f"{text.prompt_tokens:,} in the prompt, {text.generated_tokens:,} written",
        "Time": f"{text.seconds:.2f} s (its share of the batch)",
        "Device": text.device or "not kept",
        "Number format": sampling.get("precision", "not kept"),
        "End": end,
        "Written": f"{text.created_at:%Y-%m-%d %H:%M} UTC",
        "Archetype set": text.archetypes,
    }
    if text.backend == "openai":
        rows |= {"Server": sampling["server"], "Read by": str(reader(text))}
    for key, value in rows.items():
        st.text(f"{key}: {value}")
    for part, wording in text.prompt.items():
        st.caption(f"The prompt's {part}")
        st.text(wording)


def heading(column: Column, pinned: str | None) -> None:
    """Model, badges, and provenance behind a button."""
    text = column.shown
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(column.model)}**", width="content")
        if is_demo(column.model):
            st.badge(
                "demo",
                icon=":material/science:",
                color="orange",
                help="A tiny model that comes with this project, to try it without a download. "
                "Its texts are not what a real language model would write.",
            )
        if text.archetypes == pinned:
            st.badge(
                "pinned",
                icon=":material/keep:",
                color="violet",
                help="Item vectors that are made from now on use this text, whatever set they are made from.",
            )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("Provenance", icon=":material/history_edu:", type="tertiary"):
            provenance(text)
        cut = " · cut off" if text.finish == "length" else ""
        tokens = count(text.generated_tokens, "token")
        st.caption(f"{tokens} · {text.seconds:.2f} s · {plain(drawn(text))}{cut}", width="content")


def version_picker(dataset: str, column: Column) -> None:
    """Which version is looked at, where there are several."""
    if len(column.versions) < 2:
        return
    names = {version.archetypes: name(version) for version in column.versions}
    key = f"version_{dataset}_{column.model}"
    if st.session_state.get(key) != column.shown.archetypes:
        st.session_state[key] = column.shown.archetypes
    st.selectbox(
        f"Version ({len(names)} kept)",
        list(names),
        format_func=names.__getitem__,
        key=key,
        on_change=lambda: look_at(dataset, column.versions, st.session_state[key]),
    )


def chips(scores: verbs.ItemScores | None) -> None:
    """The scorecard of a text, each measure defined in its help."""
    known: dict[str, float | None] = dict(scores.scores) if scores else {}
    if scores and scores.text:
        known |= {"grounding": scores.text.grounding, "segments": float(scores.text.segments)}
    with st.container(horizontal=True, gap="small", key=f"chips_{scores.archetypes}" if scores else None):
        for measure in verbs.MEASURES.values():
            if not measure.per_item or measure.name not in known:
                continue
            value = known[measure.name]
            st.badge(
                f"{measure.title} {_in_words(measure, value)}",
                color=_colour(measure, value),
                help=plain(f"{measure.says} Unit: {measure.unit}; better: {measure.better}."),
            )


def _in_words(measure: verbs.Measure, value: float | None) -> str:
    if value is None:
        return "–"
    if measure.name == "grounding":
        return f"{value:.0%}"
    return f"{value:.0f}" if measure.name == "segments" else f"{value:.2f}"


def _colour(measure: verbs.Measure, value: float | None) -> str:
    if measure.name != "grounding" or value is None:
        return "gray"
    return "green" if value >= 0.9 else "orange"


def body(text: verbs.ArchetypeText, scores: verbs.TextScores | None) -> None:
    """The text in its parts, claims without support marked; below, why each is."""
    claims = marked.unsupported(scores)
    pieces = [text.opening, *text.audiences, text.closing]
    opening, *audiences, closing = marked.parts(text.text, pieces, claims)
    with st.container(gap="small", key=f"text_{text.archetypes}"):
        if opening:
            st.markdown(opening)
        for number, audience in enumerate(audiences, start=1):
            with st.container(border=True, gap="xsmall"):
                st.caption(f"Audience {number}")
                st.markdown(audience or "–")
        if closing:
            st.markdown(closing)
    if not text.text.strip():
        st.caption("The model wrote nothing.")
    if claims:
        st.caption(":orange[:material/help_center:] Not supported by the item's metadata:")
        reasons = [f"{marked.raised(number)} {claim.reason}" for number, claim in enumerate(claims, start=1)]
        st.caption("  \n".join(plain(reason) for reason in reasons))


def pin_button(dataset: str, item: str, column: Column, pinned: str | None) -> None:
    """Pins the version that is looked at, or takes its pin off."""
    on = column.shown.archetypes == pinned
    st.button(
        "Unpin" if on else "Pin for training",
        key=f"pin_{column.model}",
        icon=":material/keep_off:" if on else ":material/keep:",
        help="Item vectors that are made from now on use the pinned version of this item. Trained runs stay as they are.",
        on_click=partial(_pin, dataset, item, None if on else column.shown.archetypes),
    )


def _pin(dataset: str, item: str, archetypes: str | None) -> None:
    with services.told_errors():
        request = verbs.PinRequest(dataset=dataset, item=item, archetypes=archetypes, off=archetypes is None)
        verbs.pin(services.workspace(), request)
        services.tell("Pinned for training." if archetypes else "The pin is taken off.", ":material/keep:")


def history(column: Column, opened: bool) -> None:
    """All versions of a model, and what changed to the one that is looked at."""
    others = [version for version in column.versions if version.archetypes != column.shown.archetypes]
    label = f"History · {count(len(column.versions), 'version')}"
    with st.expander(label, icon=":material/difference:", expanded=opened, key=f"history_{column.shown.archetypes}"):
        if not others:
            st.caption("One version so far. Regenerate keeps it, and shows here what changed.")
            return
        names = {other.archetypes: other for other in others}
        earlier = [other for other in others if other.created_at <= column.shown.created_at]
        before = st.selectbox(
            "Changes since",
            list(names),
            index=list(names).index((earlier or others)[0].archetypes),
            format_func=lambda version: name(names[version]),
            key=f"since_{column.shown.archetypes}",
        )
        old, new = names[before].text, column.shown.text
        with st.container(key=f"diff_{column.model}"):
            st.markdown(marked.difference(old, new))
        st.caption(":red-background[~~Struck through~~] is gone, :green-background[**bold**] is new.")


def failures(detail: verbs.ItemDetail) -> None:
    """Models that tried in vain, and why."""
    for failed in detail.failures:
        with st.container(border=True, gap="xsmall"):
            st.markdown(f":red[:material/error:] **{plain(failed.model)}** could not write about this item")
            st.text(failed.reason)
            st.caption(
                plain(f"Prompt {failed.prompt_version}, {failed.created_at:%Y-%m-%d %H:%M} UTC, set {failed.archetypes}")
            )
