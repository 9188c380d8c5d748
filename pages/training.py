"""Training: launch runs from a form with estimates first, watch their curves, stop, resume, duplicate and compare them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import streamlit as st
from pydantic import ValidationError

from app.ui import datasets, forms, guards, pipeline, runs, services
from app.ui import jobs as ui
from app.ui.text import count, plain
from genair_engine import jobs, verbs
from genair_engine.errors import GenairError, InputError

KEY = "train"
ESTIMATE_ASKED = f"{KEY}_estimate_asked"
FIRST = ("preset", "backbone", "method", "loss")
"""Fields that decide which others there are, and what these hold by default."""
SEVERAL = {"seeds": "seed", "alphas": "alpha", "gammas": "gamma"}
"""Fields that stand for several values of another."""
PART = "without"
"""The option that names a part of the representation."""
ICONS = {"method": "extension", "backbone": "deployed_code", "loss": "target", "training": "tune"}
"""Of the groups of options, by whose they are."""


@st.cache_data(ttl=10, show_spinner=False)
def gpus_here() -> list[jobs.Gpu]:
    """This machine's GPUs, which its worker would have."""
    return jobs.probe()


def given() -> dict[str, Any]:
    chosen: dict[str, Any] = st.session_state.setdefault(f"{KEY}_given", {})
    return chosen


def duplicate(configuration: dict[str, Any]) -> None:
    """Takes a run's configuration to the form: a callback of a button in a part that runs by itself.

    What this version does not understand any more is left out, and named.
    """
    fields = verbs.TrainRequest.model_fields
    unknown = configuration.keys() - fields.keys()
    asked = {name: value for name, value in configuration.items() if name in fields and value is not None}
    try:
        verbs.TrainRequest(**{"dataset": "-"} | asked)
    except ValidationError as error:  # rules between fields are the form's to tell
        unknown |= {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
    asked = {name: value for name, value in asked.items() if name not in unknown and name not in ("dataset", "inputs")}
    if "seed" in asked:
        asked["seeds"] = [asked.pop("seed")]
    defaults = defaults_of(verbs.training_choices(asked), None)
    st.session_state[f"{KEY}_given"] = {name: value for name, value in asked.items() if value != defaults[name]}
    st.session_state[runs.REDRAW] = True
    services.tell("The form above holds this configuration now.", ":material/content_copy:")
    if unknown:
        left_out = ", ".join(sorted(unknown))
        services.tell(f"Left out, as this version does not know it so: {left_out}.", ":material/warning:")


def reads_representation(choices: verbs.Choices) -> bool:
    return any(need.role == "representation" for need in choices.method.needs)


def run_needs(choices: verbs.Choices) -> list[verbs.Need]:
    """What the method reads of other runs."""
    return [need for need in choices.method.needs if need.kind == "run"]


def defaults_of(choices: verbs.Choices, representation: str | None) -> dict[str, Any]:
    """What fields hold that were not chosen: it depends on preset, backbone, method and loss."""
    of_sweep = {name: field.get_default(call_default_factory=True) for name, field in verbs.SweepRequest.model_fields.items()}
    return of_sweep | dict(choices.defaults) | {"representation": representation if reads_representation(choices) else None}


def hidden_in(choices: verbs.Choices, values: dict[str, Any]) -> set[str]:
    """Fields that the combination does not have or read, or that stand for a value that a grid varies."""
    options = verbs.TrainRequest.model_fields.keys() - {*FIRST, "dataset", "representation", "inputs", "device"}
    hidden = (options - choices.fields.keys()) | choices.unread
    for several, option in SEVERAL.items():
        if option not in choices.fields:
            hidden.add(several)
        elif values[several]:
            hidden.add(option)
    if not choices.method.tags.trained:
        hidden |= {"preset", "backbone", "loss", "device"}
    return hidden if reads_representation(choices) else hidden | {"representation"}


def devices(workers: Sequence[jobs.WorkerRecord]) -> dict[str, str]:
    """What a run may be trained on, in words, with the GPUs that workers have."""
    gpus = [(f" on {worker.host}", gpu) for worker in workers for gpu in worker.gpus] or [("", gpu) for gpu in gpus_here()]
    named = {f"cuda:{gpu.index}": f"GPU {gpu.index}{where}: {gpu.name}, {gpu.free_mb:,} MB free" for where, gpu in gpus}
    return {"auto": "auto: a free GPU" if gpus else "auto: the CPU, as there is no GPU", "cpu": "CPU"} | named


def draw(form: forms.Form, choices: verbs.Choices, dataset: verbs.DatasetState, workers: Sequence[jobs.WorkerRecord]) -> None:
    """All fields."""
    top = st.grid(4, min_column_width=200)
    for name in FIRST:
        if name not in form.hidden:
            with top.cell():
                form.widget(name)
    st.caption(plain(f"{choices.method.name}: {choices.method.purpose}."))
    representations = {state.representation: state for state in dataset.representations}
    where = devices(workers)

    def described(name: str) -> str:
        state = representations[name]
        by = f", archetypes by {state.archetypes_by}" if state.archetypes_by else ""
        return f"{name}: {' + '.join(f'{part} {width}' for part, width in state.dims.items())}{by}"

    middle, lower = st.grid(2, min_column_width=250), st.grid(3, min_column_width=200)
    for name, options, shown in (
        ("representation", [*reversed(representations)] or [None], described),
        ("device", list(where), where.__getitem__),
    ):
        if name not in form.hidden:
            with middle.cell():
                form.widget(name, options, shown)
    for need in run_needs(choices):
        with middle.cell():
            run_input(need, dataset)
    for name, option in SEVERAL.items():
        if name not in form.hidden:
            with lower.cell():
                form.widget(name, empty=f"{form.value(option):g}, or several: A, B, …")
    for group in choices.groups:
        form.group(group.title, group.options, ICONS[group.kind])


def run_input(need: verbs.Need, dataset: verbs.DatasetState) -> None:
    """A finished run that the method reads in some role."""
    key = f"{KEY}_input_{need.role}"
    ready = {run.run: run for run in datasets.ready_runs(dataset.dataset)}
    chosen = given().get("inputs", {}).get(need.role)
    st.session_state[key] = chosen if chosen in ready else None

    def keep() -> None:
        inputs = {**given().get("inputs", {}), need.role: st.session_state[key]}
        given()["inputs"] = {role: run for role, run in inputs.items() if run is not None}

    st.selectbox(
        need.role.capitalize(),
        list(ready),
        format_func=lambda run: runs.name(ready[run]),
        placeholder="a finished run",
        help=plain(need.purpose),
        key=key,
        on_change=keep,
    )


def cost_key(request: verbs.TrainRequest) -> str:
    """Equal for runs that cost the same."""
    return json.dumps(request.model_dump(exclude={"seed"}), sort_keys=True)


def estimate_of(request: verbs.TrainRequest) -> verbs.Estimate | str | None:
    """What was measured for it in this tab; why it could not be measured; None where nobody asked yet."""
    estimate: verbs.Estimate | str | None = st.session_state.setdefault(f"{KEY}_estimates", {}).get(cost_key(request))
    return estimate


@guards.fragment
def estimating(request: verbs.TrainRequest, several: int) -> None:
    """What a run will cost, measured when asked for."""
    estimate = estimate_of(request)
    if isinstance(estimate, verbs.Estimate):
        st.session_state[ESTIMATE_ASKED] = False
        show_estimate(estimate, several)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Estimate", key="train_estimate", icon=":material/speed:", on_click=ask_estimate)
        if isinstance(estimate, str):
            st.markdown(f":orange[:material/warning: {plain(estimate)}]")
        else:
            st.caption("Parameters, FLOPs, memory and time, measured by training for a moment in a process of its own.")
    if st.session_state.get(ESTIMATE_ASKED):
        with st.spinner("Training for a moment to see what a run will cost…", show_time=True):
            st.session_state[f"{KEY}_estimates"][cost_key(request)] = measure(request)
            st.session_state[ESTIMATE_ASKED] = False  # here: leaving the spinner may end this run for a newer one
        st.rerun()


def ask_estimate() -> None:
    """Remembered until it is measured: a run of the page that a newer one ends takes its clicks with it."""
    st.session_state[ESTIMATE_ASKED] = True


def measure(request: verbs.TrainRequest) -> verbs.Estimate | str:
    """What it will cost, or why that could not be measured."""
    try:
        measured = verbs.estimate(services.workspace(), request)
    except GenairError as error:
        return str(error)
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        busy = f"{measured.how} The machine is busy: expect less time when it is not."
        return measured.model_copy(update={"how": busy})
    return measured


def show_estimate(estimate: verbs.Estimate, several: int) -> None:
    """The figures, and how they were obtained."""
    grid = st.grid(5, min_column_width=150)
    grid.metric("Trainable parameters", f"{estimate.trainable_parameters:,}")
    grid.metric("Inference [GFLOPs]", f"{estimate.efficiency['session'] / 1e9:.3g}")
    grid.metric("Peak memory [MB]", f"{estimate.memory_mb:,.0f}")
    grid.metric("An epoch [s]", f"{estimate.seconds_per_epoch:.2g}")
    grid.metric("All epochs, at most", ui.duration(timedelta(seconds=estimate.most_seconds)))
    of_each = f"For each of the {several} runs (the one that has the most options in effect). " if several > 1 else ""
    st.caption(
        plain(
            f"{of_each}{estimate.how} Inference: one session of {estimate.efficiency['length']} items against the catalogue; "
            f"the item table costs {estimate.efficiency['table'] / 1e9:.3g} GFLOPs once. At most: all {estimate.epochs} "
            f"epochs with their validation ({estimate.validation_seconds:.2g} s each), should it not stop early."
        )
    )


def launch(wanted: Sequence[verbs.TrainRequest], dearest: verbs.TrainRequest) -> None:
    """The launch button: a job a run; what is queued or running already is not queued again."""
    estimate = estimate_of(dearest)
    expected = estimate.model_dump() if isinstance(estimate, verbs.Estimate) else None
    live: set[str] = set()
    submitted: set[str] = set()
    with services.told_errors():
        request = jobs.JobsRequest(states=[*ui.LIVE], limit=ui.MOST_LIVE)
        live = {job.job for job in jobs.jobs(services.workspace(), request).jobs}
        try:
            for run in wanted:
                submitted.add(jobs.submit(services.workspace(), "train", run, estimate=expected).job)
        except InputError as error:
            st.session_state[f"{KEY}_refused"] = str(error)
        jobs.ensure_worker(services.workspace())
    new, known = len(submitted - live), len(submitted & live)
    outcome = [count(new, "run") + " queued"] if new else []
    outcome += [count(known, "run") + " queued or running already"] if known else []
    if outcome:
        services.tell(f"{' · '.join(outcome)}.", ":material/rocket_launch:")


def refusal(wanted: Sequence[verbs.TrainRequest], choices: verbs.Choices) -> str | None:
    """Why these runs cannot run, if they cannot."""
    if wanted[0].representation is None and reads_representation(choices):
        method = choices.method.name
        return f"Method {method} needs item vectors: make them first (next step below), or choose a method that needs none."
    try:
        for run in {cost_key(run): run for run in wanted}.values():
            verbs.check(services.workspace(), run)
    except InputError as error:
        return str(error)
    return None


guards.heading("Training", "Launch runs with estimates first, watch their curves, stop, resume and compare them.")
dataset = datasets.choose()
workers = jobs.jobs(services.workspace(), jobs.JobsRequest(kinds=["train"], limit=1)).workers
newest = dataset.representations[-1].representation if dataset.representations else None
if given().get("representation") not in {None, *(state.representation for state in dataset.representations)}:
    given().pop("representation")  # of another data set
if given().get("device", "auto") not in devices(workers):
    given().pop("device")

grids = {option: max(values) for several, option in SEVERAL.items() if (values := given().get(several)) and option != "seed"}
try:
    choices = verbs.training_choices(given() | grids)
except ValidationError:  # a value that is no longer there, from a link or an older version
    given().clear()
    choices = verbs.training_choices({})
defaults = defaults_of(choices, newest)
values = defaults | given()
hidden = hidden_in(choices, values)
asked = {name: value for name, value in given().items() if name not in hidden}
asked["inputs"] = {need.role: run for need in run_needs(choices) if (run := values["inputs"].get(need.role))}
asked |= {"dataset": dataset.dataset} | ({} if "representation" in hidden else {"representation": values["representation"]})
problems: dict[str, str] = {}
wanted: list[verbs.TrainRequest] = []
try:
    wanted = verbs.runs_of_grid(verbs.SweepRequest(**asked))
except ValidationError as error:
    problems = forms.problems(error, [name for name in defaults if name not in hidden])
except InputError as error:
    problems = {"": str(error)}

parts = next((state.dims for state in dataset.representations if state.representation == values["representation"]), {})
options_of = {name: tuple(choices.names[name]) for name in FIRST} | {PART: (None, *parts)}
form = forms.Form(
    fields=dict(verbs.SweepRequest.model_fields) | dict(choices.fields),
    key=KEY,
    defaults=defaults,
    options=options_of,
    hidden=hidden,
    problems=problems,
)
with st.container(border=True, key="train_form"):
    draw(form, choices, dataset, workers)
    if given():
        st.button("Back to the defaults", icon=":material/restart_alt:", type="tertiary", on_click=given().clear)
    if not any("cuda" in name for name in devices(workers)):
        st.caption(":material/memory: No GPU here: runs train on the CPU. GPUs of workers are listed as devices.")
    reason = st.session_state.pop(f"{KEY}_refused", None)
    dearest = max(wanted, key=lambda run: len(run.config().flat()), default=None)
    if wanted:
        reason = reason or refusal(wanted, choices)
        if dearest is not None and not reason:
            departures = dict.fromkeys(departure for run in wanted for departure in run.config().departures([*parts]))
            if departures:
                st.caption(plain(f"Not as in the paper: {'; '.join(departures)}."))
            if choices.method.tags.trained:
                estimating(dearest, len(wanted))
    elif problems:
        reason = " ".join(what if name in what.lower() else f"{name}: {what}" for name, what in problems.items())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Launch {count(len(wanted), 'run')}" if wanted else "Launch",
            key="train_launch",
            type="primary",
            icon=":material/rocket_launch:",
            disabled=bool(reason) or not wanted,
            on_click=launch,
            args=(wanted, dearest),
        )
        if reason:
            st.markdown(f":red[:material/block: {plain(reason)}]")
    if not dataset.representations and "representation" not in hidden:
        pipeline.next_step(dataset)

st.subheader("Runs", anchor=False)
watch = runs.watch(dataset.dataset)
guards.fragment(runs.live, watch.every)(dataset.dataset, watch, duplicate)
