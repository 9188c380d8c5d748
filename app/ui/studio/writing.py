"""Writing one item's archetype anew: what to write with, and the answer while it is written, token by token.

A form's button leaves a request in the tab's session; when everything else of the page is drawn, the answer streams into the
place that its column has kept for it. Whoever leaves the page meanwhile ends it, and nothing is kept.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import streamlit as st
from pydantic import ValidationError
from streamlit.delta_generator import DeltaGenerator

from app.ui import services
from app.ui.forms import Form
from app.ui.studio import columns
from app.ui.text import plain
from genair_engine import verbs
from genair_engine.errors import GenairError

FRAME_SECONDS = 0.05
"""Between two pictures of a text that grows."""
SAMPLING = ("temperature", "top_p", "repetition_penalty", "max_new_tokens", "greedy")
_WANTED, _WRITTEN = "studio_wanted", "studio_written"


@dataclass(frozen=True)
class Target:
    """Which item a form writes about. place: sets its widgets apart from those of other forms. kind: of the text."""

    dataset: str
    item: str
    place: str
    kind: str = "archetype"


def regenerate(target: Target, column: columns.Column, prompts: list[str]) -> None:
    """The form of a column: starts from how its text was written, but never greedily, which would write the same again."""
    text = column.shown
    used = {name: text.sampling[name] for name in SAMPLING if name in text.sampling} | {"greedy": False}
    with st.popover("Regenerate", icon=":material/refresh:", key=f"regenerate_{column.model}"):
        prompt = text.prompt_version if text.prompt_version in prompts else prompts[0]
        _form(target, column.model, used, prompt, prompts, columns.reader(text))


def with_another_model(target: Target, there: set[str], prompts: list[str]) -> None:
    """The form for models that have no text of the item yet."""
    options = [writer for writer in verbs.writers(services.workspace()) if writer not in there]
    with st.popover("Another model", icon=":material/add:", key="another_model"):
        if not options:
            st.caption("Every language model on this machine has written about this item.")
            st.caption(
                "Put the folder of another one into `models_cache`, or let a job download one: view “Whole catalogue”, or "
                "`generate --model` in a terminal."
            )
            return
        model = st.selectbox("Language model on this machine", options, key=f"writer_{target.place}")
        _form(target, model, verbs.Sampling().model_dump(), prompts[0], prompts)


def _form(
    target: Target, model: str, sampling: dict[str, Any], prompt: str, prompts: list[str], reader: str | None = None
) -> None:
    """reader: what reads the texts of a server's model."""
    key = f"write_{target.place}_{model}"
    how = Form(verbs.Sampling.model_fields, f"{key}_sampling", sampling)
    what = Form(verbs.RegenerateRequest.model_fields, key, {"prompt": prompt, "seed": None})
    what.widget("prompt", options=prompts)
    left, right = st.columns(2)
    with left:
        how.widget("temperature")
        how.widget("max_new_tokens")
    with right:
        how.widget("top_p")
        how.widget("repetition_penalty")
    what.widget("seed")
    st.button(
        "Write a new version",
        key=f"{key}_start",
        icon=":material/edit_note:",
        type="primary",
        on_click=_start,
        args=(target, model, reader, what, how),
    )
    st.caption("It is written here and now, and kept beside the other versions. Leaving the page ends it.")


def _start(target: Target, model: str, reader: str | None, what: Form, how: Form) -> None:
    try:
        st.session_state[_WANTED] = verbs.RegenerateRequest(
            dataset=target.dataset,
            item=target.item,
            model=model,
            reader=reader,
            kind=target.kind,
            prompt=what.value("prompt"),
            seed=what.value("seed"),
            sampling=verbs.Sampling(**{name: how.value(name) for name in SAMPLING}),
        )
    except ValidationError as error:
        services.tell(str(error.errors()[0]["msg"]), ":material/error:")


def start(dataset: str, item: str, model: str, **given: Any) -> None:
    """A button's callback: writes with defaults."""
    st.session_state[_WANTED] = verbs.RegenerateRequest(dataset=dataset, item=item, model=model, **given)


def wanted(dataset: str, item: str) -> verbs.RegenerateRequest | None:
    """What is to be written now about this item; a request is answered once."""
    request: verbs.RegenerateRequest | None = st.session_state.pop(_WANTED, None)
    return request if request and (request.dataset, request.item) == (dataset, item) else None


def just_written(archetypes: str) -> bool:
    """Whether this version is the last one that was written in this tab."""
    return bool(st.session_state.get(_WRITTEN) == archetypes)


def stream(request: verbs.RegenerateRequest, place: DeltaGenerator, detail: verbs.ItemDetail) -> None:
    """Writes into an empty place, keeps the version, and has the page drawn anew with it; or says why not."""
    with place.container(border=True, key="writing"):
        st.caption(f":material/edit_note: {plain(request.model)} writes …")
        growing = st.empty()
    versions = [archetype for archetype in detail.archetypes if archetype.model == request.model]
    shown = 0.0
    try:
        model = services.writer(request.model, request.reader)
        with closing(verbs.regenerating(services.workspace(), request, model)) as parts:
            for part in parts:
                if isinstance(part, verbs.RegenerateResult):
                    st.session_state[_WRITTEN] = part.archetypes
                    columns.look_at(request.dataset, versions, part.archetypes)
                    services.tell(f"A new version by {part.model}: {part.tokens:,} tokens.", ":material/check_circle:")
                elif time.monotonic() - shown >= FRAME_SECONDS:
                    growing.text(f"{part} ▌")
                    shown = time.monotonic()
    except GenairError as error:
        place.error(plain(str(error)), title="Nothing was written", icon=":material/error:")
        return
    st.rerun()
