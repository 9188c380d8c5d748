"""A dataset's way from import to recommendations: how far each stage is, and the command that does the next one."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.ui import guards
from app.ui.text import count, one_line, plain
from genair_engine import verbs

SHOWN_LINES = 4
"""Archetype sets, representations or runs that a stage names; the rest is counted."""


@dataclass(frozen=True)
class Stage:
    """One step of the strip. lines: what is there, as plain text."""

    title: str
    done: bool
    lines: list[str]


def stages(state: verbs.DatasetState) -> list[Stage]:
    """The five stages in order."""
    rejected = [f"{count(state.rejected, 'record')} rejected"] if state.rejected else []
    imported = [count(state.items, "item"), count(state.users, "user"), count(state.interactions, "interaction"), *rejected]
    archetypes = [f"{one.model}: {one.items:,} of {state.items:,}" for one in state.archetype_sets]
    representations = [
        f"{one.model}: {' + '.join(f'{part} {width}' for part, width in one.dims.items())}" for one in state.representations
    ]
    runs = [f"{run.config['backbone']} with {run.config['method']}: {_progress(run)}" for run in state.runs]
    ready = [f"{count(len(state.ready_runs), 'trained model')} to recommend with"] if state.ready_runs else []
    return [
        Stage("Imported", True, imported),
        Stage("Archetypes", any(one.items for one in state.archetype_sets), archetypes),
        Stage("Representations", bool(representations), representations),
        Stage("Runs", bool(state.ready_runs), runs),
        Stage("Ready", bool(ready), ready),
    ]


def strip(state: verbs.DatasetState) -> None:
    """The stages side by side; on a phone one below the other."""
    grid = st.grid(5, min_column_width=150, gap="medium")
    for stage in stages(state):
        with grid.cell():
            mark = ":green[:material/check_circle:]" if stage.done else ":gray[:material/radio_button_unchecked:]"
            st.markdown(f"{mark} **{stage.title}**")
            lines = stage.lines[:SHOWN_LINES] or ["nothing yet"]
            if len(stage.lines) > SHOWN_LINES:
                lines.append(f"and {len(stage.lines) - SHOWN_LINES} more")
            st.caption("  \n".join(plain(one_line(line)) for line in lines))


def next_step(state: verbs.DatasetState) -> None:
    """What to do next and its commands; nothing when the dataset is ready."""
    what, commands = next_commands(state)
    if commands:
        st.caption(f"Next: {what}")
        guards.commands(*commands)


def next_commands(state: verbs.DatasetState) -> tuple[str, list[str]]:
    """The first stage that is missing, in words and as commands."""
    name = state.dataset
    if state.ready_runs:
        return "", []
    if state.representations:
        newest = state.representations[-1].representation
        return "train a recommender on the item vectors.", [f"train {name} --representation {newest} --epochs 20"]
    if not any(one.items for one in state.archetype_sets):
        models = ("demo-llama", "demo-qwen")
        return (
            "let a language model write archetypes. The demo models need no download.",
            [f"generate {name} --model {model} --limit 64" for model in models],
        )
    writer = max(state.archetype_sets, key=lambda one: one.items)
    vectors = f"represent {name} --model minilm --archetypes {writer.model}"
    if writer.items == state.items:
        return "turn metadata and archetypes into item vectors.", [vectors]
    return (
        "let the language model write the rest, then turn metadata and archetypes into item vectors.",
        [f"generate {name} --model {writer.model}", vectors],
    )


def _progress(run: verbs.RunResult) -> str:
    return "finished" if run.state == "done" else f"{run.state}, {count(run.epochs, 'epoch')}"
