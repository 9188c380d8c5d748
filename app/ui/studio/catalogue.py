"""The whole catalogue: let a model write for every item as a job, with an estimate first; models' scorecards; what failed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from app.ui import guards, services
from app.ui import jobs as ui
from app.ui.forms import Form, problems
from app.ui.studio.prompts import versions
from app.ui.studio.writing import SAMPLING
from app.ui.text import count, one_line, plain, title_of
from genair_engine import jobs, verbs

FIRST_ITEMS = 64
"""Of a model of which no pace is known."""
SERVER = verbs.SERVER_PREFIX
"""What names of a server's models begin with; alone, the choice to name one."""
LEAST_SHARE = 0.1
"""Of the catalogue that a set must hold to be measured: a few items that were written anew say nothing of a model."""


def generate(dataset: verbs.DatasetState) -> None:
    """What to write with, how long it will take, and the job."""
    choices = verbs.writer_choices(services.workspace())
    presets = {preset.model: preset for preset in choices.presets}
    options = [*choices.here, *presets, *([SERVER] if choices.server and choices.readers else [])]
    with st.container(border=True, key="generate_catalogue"):
        st.markdown("**Generate for the whole catalogue**")
        defaults = {
            name: field.get_default() for name, field in verbs.GenerateRequest.model_fields.items() if name != "sampling"
        }
        chosen = {"model": options[0], "reader": next(iter(choices.readers), None)}
        what = Form(verbs.GenerateRequest.model_fields, f"catalogue_{dataset.dataset}", defaults | chosen)
        how = Form(verbs.Sampling.model_fields, f"catalogue_{dataset.dataset}_sampling", verbs.Sampling().model_dump())
        if what.value("model") not in options:  # a preset that has been downloaded since
            what.given.pop("model", None)
        left, middle, right = st.columns([3, 2, 1])
        with left:
            what.widget("model", options=options, shown=partial(_called, presets=presets, server=choices.server))
        with middle:
            if len(verbs.TEXT_KINDS) > 1:
                what.widget("kind", options=list(verbs.TEXT_KINDS))
            own = verbs.TEXT_KINDS[what.value("kind")].template
            what.defaults = {**what.defaults, "prompt": own.name}
            what.widget("prompt", options=[own.name, *(name for name in versions() if name != own.version)])
        with right:
            what.widget("limit")
        writer = _of_server(dataset.dataset, what, choices) if what.value("model") == SERVER else _writer(what, presets)
        how.group("Sampling", SAMPLING, "tune")
        what.group("Seed and machine", ["seed", "batch_size", "device"], "memory")
        try:
            sampling = {"sampling": verbs.Sampling(**how.given)} if how.given else {}
            request = verbs.GenerateRequest(dataset=dataset.dataset, **(what.given | writer | sampling))
        except ValidationError as error:
            st.error(plain(" ".join(problems(error, []).values())), icon=":material/error:")
            return
        if request.model == SERVER:
            st.info("Name the server's model to go on.", icon=":material/dns:")
            return
        _launch(request)


def _called(model: str, presets: Mapping[str, verbs.WriterPreset], server: str | None) -> str:
    """An option in words: what it takes to have it."""
    if model == SERVER:
        return f"a model of the server {server}"
    if model not in presets:
        return model
    wanted = ", gated" if presets[model].gated else " to download"
    return f"{model} · {presets[model].size / 1e9:.1f} GB{wanted}"


def _writer(what: Form, presets: Mapping[str, verbs.WriterPreset]) -> dict[str, Any]:
    """The request's model, on this machine or downloaded by the job, which reads its own texts."""
    model = what.value("model")
    if model in presets:
        gated = (
            " Its owner wants a licence accepted on the hub: do that first, and set HF_TOKEN to a token of the account that "
            "was granted access."
        )
        st.caption(
            f"Not on this machine yet: the job downloads it first, about {presets[model].size / 1e9:.1f} GB, and shows how "
            f"far it is.{gated if presets[model].gated else ''}"
        )
    return {"model": model, "reader": None}


def _of_server(dataset: str, what: Form, choices: verbs.WriterChoices) -> dict[str, Any]:
    """The request's model and reader where a server writes."""
    left, right = st.columns(2)
    with left:
        name = st.text_input(
            "Model's name on the server",
            key=f"catalogue_{dataset}_server",
            max_chars=200,
            placeholder="as the server calls it",
        )
    with right:
        what.widget("reader", options=choices.readers)
    st.caption("The server writes the texts; a model on this machine reads them, and its states are kept.")
    return {"model": f"{SERVER}{name.strip().removeprefix(SERVER)}", "reader": what.value("reader")}


def _launch(request: verbs.GenerateRequest) -> None:
    estimate = verbs.generation_estimate(services.workspace(), request)
    if not estimate.missing:
        st.success(
            "Every item that is asked for has a text by this model, prompt, sampling and seed.", icon=":material/check_circle:"
        )
        return
    missing = count(estimate.missing, "item")
    try_first = estimate.seconds is None and estimate.missing > FIRST_ITEMS
    tokens = "" if estimate.tokens is None else f", about {estimate.tokens:,.0f} tokens"
    advice = f" Write the first {FIRST_ITEMS} to learn it; they are kept." if try_first else ""
    st.info(plain(f"{missing} to write{tokens}. {estimate.how}{advice}"), icon=":material/schedule:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if try_first:
            first = {name: getattr(request, name) for name in request.model_fields_set} | {"limit": FIRST_ITEMS}
            _button(f"Write the first {FIRST_ITEMS}", "generate_first", verbs.GenerateRequest(**first), "primary")
        _button(f"Write {missing}", "generate_all", request, "secondary" if try_first else "primary")
    with st.expander("The same in a terminal", icon=":material/terminal:"):
        guards.commands(jobs.command_line("generate", request))


def _button(label: str, key: str, request: verbs.GenerateRequest, weight: Literal["primary", "secondary"]) -> None:
    st.button(
        label,
        key=key,
        icon=":material/play_arrow:",
        type=weight,
        help="Runs as a job that goes on where it stopped. The Jobs page shows how far it is.",
        on_click=services.submit,
        args=("generate", request),
    )


def running(dataset: str) -> None:
    """What runs and waits for this dataset, looked at again and again."""
    watch = ui.Watch(jobs.JobsRequest(states=[*ui.LIVE], limit=ui.MOST_LIVE), dataset)
    guards.fragment(ui.now, watch.every)(watch)


def measurable(dataset: verbs.DatasetState) -> list[str]:
    """The sets that hold enough of the catalogue."""
    return [
        archetype_set.archetypes
        for archetype_set in dataset.archetype_sets
        if archetype_set.items >= max(2, LEAST_SHARE * dataset.items)
    ]


def measure_button(dataset: verbs.DatasetState, label: str) -> None:
    """The job that measures the scorecards of the dataset's sets."""
    st.button(
        label,
        key="measure",
        icon=":material/straighten:",
        help="Grounding's vocabulary, specificity, novelty, diversity and agreement with behaviour, as a job.",
        on_click=services.submit,
        args=("score", verbs.ScoreRequest(dataset=dataset.dataset, archetypes=measurable(dataset))),
    )


def scorecards(dataset: verbs.DatasetState) -> None:
    """Means of every measure over each set, of sets that are measured as they are now."""
    fresh = verbs.measured_sets(services.workspace(), dataset.dataset)
    with st.container(border=True, key="scorecards"):
        st.markdown("**Scorecard over the catalogue**")
        wanted = measurable(dataset)
        known = [name for name in wanted if name in fresh]
        if known:
            scorecards = verbs.score(services.workspace(), verbs.ScoreRequest(dataset=dataset.dataset, archetypes=known))
            st.dataframe(
                pd.DataFrame([_card(scored) for scored in scorecards.sets]),
                hide_index=True,
                height="content",
                column_config={
                    measure.title: st.column_config.TextColumn(
                        help=plain(f"{measure.says} Unit: {measure.unit}; better: {measure.better}.")
                    )
                    for measure in verbs.MEASURES.values()
                },
                alt="Mean of every measure with its 95 % interval, a row an archetype set",
            )
            st.caption(
                plain(
                    " ".join(
                        ["Means with their 95 % intervals; point at a column's title for what it says.", *scorecards.notes]
                    )
                )
            )
        if not wanted:
            st.caption("No model has written for a tenth of the catalogue yet.")
        elif len(known) < len(wanted):
            st.caption(f"Not measured as they are now: {count(len(wanted) - len(known), 'set')} of {len(wanted)}.")
            measure_button(dataset, "Measure")


def _card(scored: verbs.SetScores) -> dict[str, str]:
    def in_words(summary: verbs.Summary) -> str:
        if summary.mean is None:
            return "–"
        interval = "" if summary.low is None else f" ({summary.low:.2f} … {summary.high:.2f})"
        return f"{summary.mean:.2f}{interval}"

    columns = {"Model": scored.model, "Prompt": scored.prompt_version, "Texts": f"{scored.measured:,}"}
    return columns | {verbs.MEASURES[name].title: in_words(summary) for name, summary in scored.measures.items()}


def failed(dataset: str) -> None:
    """Items that no archetype could be written of, and why."""
    failures = verbs.failed_archetypes(services.workspace(), dataset)
    if not failures:
        return
    with st.container(border=True, key="failed"):
        st.markdown(f"**{count(len(failures), 'item')} could not be written**")
        st.dataframe(
            pd.DataFrame(
                {
                    "Item": [one_line(title_of(failure.title, failure.item)) for failure in failures],
                    "Reason": [failure.reason for failure in failures],
                    "Model": [failure.model for failure in failures],
                    "Prompt": [failure.prompt_version for failure in failures],
                    "Id": [failure.item for failure in failures],
                }
            ),
            hide_index=True,
            height="content" if len(failures) < 12 else 420,
            alt="Items that failed, with the reasons",
        )
        st.caption("Generating again tries them again; the other items are not written twice.")
