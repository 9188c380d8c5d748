"""The prompt's template: edit it, see the prompt that the item would get, save it as a new version.

Versions never change: the wording is in the version's name (a hash), and every archetype names the version it was asked with.
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from app.ui import services, state
from app.ui.text import count, plain
from genair_engine import verbs
from genair_engine.errors import GenairError

FIELDS = {
    "instruction": ("Instruction", "What comes first. {noun} stands for what the catalogue calls a thing.", 110),
    "attribute": ("Sentence for each attribute", "{value} must be in it; {key} and {noun} may be.", 70),
    "question": ("Question", "What comes last. {noun} may be in it.", 70),
    "noun": ("Noun", "What the catalogue calls a thing: item, movie, …", 0),
}


def versions() -> dict[str, verbs.SavedPrompt]:
    """All saved versions, the paper's first."""
    return {prompt.version: prompt for prompt in verbs.list_prompts(services.workspace(), verbs.PromptsRequest()).prompts}


def offered(kind: str) -> list[str]:
    """Versions of prompts to write a kind of text with, its own first."""
    own = verbs.TEXT_KINDS[kind].template.version
    return [own, *(version for version in versions() if version != own)]


def editor(dataset: str, item: verbs.Item) -> None:
    """Template at the left, the item's prompt at the right."""
    saved = versions()
    left, right = st.columns(2, gap="large")
    with left:
        base = saved[state.choice("Begin with version", list(saved), "prompt", shown=lambda version: _called(saved[version]))]
        given = {part: _field(base, part) for part in FIELDS}
    with right:
        st.markdown("**The prompt of this item**")
        rendered = _rendered(dataset, item.item, base, given)
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            key = f"prompt_name_{base.version}"
            st.text_input("Save under the name", key=key, value="" if base.created_at is None else base.name, max_chars=60)
            st.button(
                "Save as a new version",
                key="prompt_save",
                icon=":material/save:",
                type="primary",
                disabled=rendered is None or rendered.version == base.version,
                on_click=partial(_save, key, base),
            )
        st.caption(
            "Another wording under the same name is its next version; archetypes that were asked with an earlier one keep it. "
            "Regenerate, and the whole catalogue, offer every version."
        )


def _called(prompt: verbs.SavedPrompt) -> str:
    return f"{prompt.version} · {'the paper’s' if prompt.created_at is None else f'saved {prompt.created_at:%d %b %Y %H:%M}'}"


def _field(base: verbs.SavedPrompt, part: str) -> str:
    label, told, height = FIELDS[part]
    key = _key(base, part)
    st.session_state.setdefault(key, getattr(base, part))
    if height:
        return str(st.text_area(label, key=key, help=plain(told), height=height))
    return str(st.text_input(label, key=key, help=plain(told)))


def _key(base: verbs.SavedPrompt, part: str) -> str:
    return f"prompt_{base.version}_{part}"


def _rendered(dataset: str, item: str, base: verbs.SavedPrompt, given: dict[str, str]) -> verbs.PromptRenderResult | None:
    try:
        request = verbs.PromptRenderRequest(dataset=dataset, item=item, prompt=base.version, **given)
        rendered = verbs.render_prompt(services.workspace(), request)
    except GenairError as error:
        st.error(plain(str(error)), title="This template cannot be used", icon=":material/error:")
        return None
    with st.container(border=True, key="prompt_preview"):
        st.text(rendered.text)
    changed = "" if rendered.version == base.version else " · not saved"
    st.caption(plain(f"{rendered.version}{changed} · {count(rendered.characters, 'character')}"))
    return rendered


def _save(key: str, base: verbs.SavedPrompt) -> None:
    with services.told_errors():
        given = {part: st.session_state[_key(base, part)] for part in FIELDS}
        outcome = verbs.save_prompt(services.workspace(), verbs.PromptSaveRequest(name=st.session_state[key].strip(), **given))
        state.keep("prompt", outcome.prompt.version)
        message = f"Saved as {outcome.prompt.version}." if outcome.new else f"It is {outcome.prompt.version} already."
        services.tell(message, ":material/save:")
