"""A dataset's way from import to recommendations: how far each stage is, and the job that does the next one."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.ui import guards, services
from app.ui.jobs import LIVE, MOST_LIVE
from app.ui.text import count, one_line, plain
from genair_engine import jobs, verbs

SHOWN_LINES = 4
"""Archetype sets or representations that a stage names; the rest is counted."""


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
    fullest = {texts.model: texts.items for texts in sorted(state.archetype_sets, key=lambda texts: texts.items)}
    written = {
        texts.model: fullest[texts.model] for texts in state.archetype_sets
    }  # single items that were written anew: Archetypes
    archetypes = [f"{model}: {items:,} of {state.items:,}" for model, items in written.items()]
    representations = [
        f"{representation.model}: {' + '.join(f'{part} {width}' for part, width in representation.dims.items())}"
        for representation in state.representations
    ]
    ready = [f"{count(state.ready_runs, 'model')} to recommend with"] if state.ready_runs else []
    return [
        Stage("Imported", True, imported),
        Stage("Archetypes", any(texts.items for texts in state.archetype_sets), archetypes),
        Stage("Representations", bool(representations), representations),
        Stage("Runs", bool(state.ready_runs), _runs(state)),
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


@dataclass(frozen=True)
class Step:
    """A job that brings the dataset on. label: on its button."""

    label: str
    kind: str
    request: verbs.Request


def next_step(state: verbs.DatasetState) -> None:
    """What to do next, a button for each job that does it, and the same as commands; nothing when the dataset is ready."""
    what, steps = next_steps(state)
    if not steps:
        return
    going_on = jobs.JobsRequest(states=[*LIVE], limit=MOST_LIVE)
    live_jobs = [job for job in jobs.jobs(services.workspace(), going_on).jobs if job.dataset == state.dataset]
    if any(job.kind == "demo" for job in live_jobs):
        return  # it does all the steps
    live = [(job.kind, job.config) for job in live_jobs]
    st.caption(f"Next: {what}")
    with st.container(horizontal=True):
        for step in steps:
            goes_on = (step.kind, step.request.model_dump(mode="json", exclude_unset=True)) in live
            st.button(
                plain(step.label),
                key=f"next_{state.dataset}_{step.label}",
                icon=":material/play_arrow:",
                help="This job is queued or running already." if goes_on else "Runs as a job; Home shows how far it is.",
                disabled=goes_on,
                on_click=services.submit,
                args=(step.kind, step.request),
            )
    with st.expander("The same in a terminal", icon=":material/terminal:"):
        guards.commands(*(jobs.command_line(step.kind, step.request) for step in steps))


def next_steps(state: verbs.DatasetState) -> tuple[str, list[Step]]:
    """The first stage that is missing, in words and as jobs."""
    name = state.dataset
    if state.ready_runs:
        return "", []
    if state.representations:
        newest = state.representations[-1].representation
        request = verbs.TrainRequest(dataset=name, representation=newest, epochs=20)
        return "train a recommender on the item vectors.", [Step("Train GenAIR", "train", request)]
    if not any(texts.items for texts in state.archetype_sets):
        return (
            "let a language model write archetypes. The demo models need no download.",
            [
                Step(f"Write 64 with {model}", "generate", verbs.GenerateRequest(dataset=name, model=model, limit=64))
                for model in ("demo-llama", "demo-qwen")
            ],
        )
    writer = max(state.archetype_sets, key=lambda texts: texts.items)
    if writer.items == state.items:
        request = verbs.RepresentRequest(dataset=name, model="minilm", archetypes=writer.model)
        return "turn metadata and archetypes into item vectors.", [Step("Make item vectors", "represent", request)]
    rest = verbs.GenerateRequest(dataset=name, model=writer.model)
    left = count(state.items - writer.items, "item")
    return f"let the language model write the other {left}.", [Step(f"Write all with {writer.model}", "generate", rest)]


def _runs(state: verbs.DatasetState) -> list[str]:
    """How many there are of each state, and the best of those that have ended as they should."""
    counts = {"finished" if name == "done" else name: number for name, number in state.runs.items()}
    lines = [", ".join(f"{number:,} {name}" for name, number in counts.items())] if counts else []
    if state.best is not None:
        best = state.best
        which = f"{best.backbone} with {best.method}, seed {best.seed}" if best.backbone else best.method
        lines.append(f"best test NDCG@10 among all items {best.quality:.4f}: {which}")
    return lines
