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
"""Fields on which the defaults of others, or which others there are, depend."""
SEVERAL = {"seeds": "seed", "alphas": "alpha", "gammas": "gamma"}
GROUPS = (
    ("Model", "deployed_code", ("dim", "layers", "heads", "dropout", "max_len", "without", "scaling")),
    ("Extensions and the public code", "extension", ("projector_dropout", "shortcut", "public_code_attention")),
    ("Loss", "target", ("negatives", "exclude_seen", "targets", "mask_probability")),
    ("Calibration", "join_inner", ("alpha", "gamma", "t", "kernel", "window", "count_once", "calibration_items")),
    (
        "Optimiser",
        "tune",
        ("batch_size", "learning_rate", "schedule", "weight_decay", "residual_decay", "averaging", "precision"),
    ),
    ("Length", "timer", ("epochs", "patience")),
)
NOT_IN_THE_FORM = {"dataset", "seed", "backbones", "methods", "losses", "ablations", "floors", "trials", "search"}
"""Of a sweep: the data set is chosen above, seeds stand for the seed, the rest is the terminal's."""


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
    asked = {name: value for name, value in configuration.items() if name in verbs.SweepRequest.model_fields}
    if "seed" in asked:
        asked["seeds"] = [asked.pop("seed")]
    for name in NOT_IN_THE_FORM:
        asked.pop(name, None)
    unknown = configuration.keys() - verbs.TrainRequest.model_fields.keys()
    try:
        verbs.SweepRequest(dataset="-", **asked)
    except ValidationError as error:  # rules between fields are the form's to tell
        unknown |= {str(one["loc"][0]).replace("seeds", "seed") for one in error.errors() if one["loc"]}
    asked = {name: value for name, value in asked.items() if name.replace("seeds", "seed") not in unknown}
    defaults = defaults_of("-", asked, None)
    st.session_state[f"{KEY}_given"] = {name: value for name, value in asked.items() if value != defaults[name]}
    st.session_state[runs.REDRAW] = True
    services.tell("The form above holds this configuration now.", ":material/content_copy:")
    if unknown:
        left_out = ", ".join(sorted(unknown))
        services.tell(f"Left out, as this version does not know it so: {left_out}.", ":material/warning:")


def defaults_of(dataset: str, chosen: dict[str, Any], representation: str | None) -> dict[str, Any]:
    """What fields hold that were not chosen: it depends on preset and backbone, and some on method and loss."""
    first = {name: chosen[name] for name in ("preset", "backbone") if name in chosen}
    of_preset = verbs.SweepRequest(dataset=dataset, **first).model_dump()
    first |= {name: chosen[name] for name in FIRST if name in chosen}
    defaults = verbs.SweepRequest(dataset=dataset, **first).model_dump()
    defaults |= {name: of_preset[name] for name in ("method", "loss")} | {"preset": "corrected", "backbone": "sasrec"}
    needs = verbs.METHOD_FACTS[chosen.get("method", of_preset["method"])].needs_representation
    return defaults | {"representation": representation if needs else None}


def hidden_in(values: dict[str, Any]) -> set[str]:
    """Fields that the method, backbone and loss do not read, or that a grid stands for."""
    grids = {"alpha": bool(values["alphas"]), "gamma": bool(values["gammas"])}
    unread = verbs.SweepRequest.model_construct(**values | ({"alpha": 1.0} if grids["alpha"] else {})).unread()
    calibrated = verbs.METHOD_FACTS[values["method"]].calibrated
    unread |= {name for name, taken in grids.items() if taken}
    unread |= set() if calibrated else {"alphas", "gammas"}
    return unread | (set() if verbs.METHOD_FACTS[values["method"]].needs_representation else {"representation"})


def devices(workers: Sequence[jobs.WorkerRecord]) -> dict[str, str]:
    """What a run may be trained on, in words, with the GPUs that workers have."""
    seen = [(f" on {one.host}", gpu) for one in workers for gpu in one.gpus] or [("", gpu) for gpu in gpus_here()]
    said = {f"cuda:{gpu.index}": f"GPU {gpu.index}{where}: {gpu.name}, {gpu.free_mb:,} MB free" for where, gpu in seen}
    return {"auto": "auto: a free GPU" if seen else "auto: the CPU, as there is no GPU", "cpu": "CPU"} | said


def draw(form: forms.Form, dataset: verbs.DatasetState, workers: Sequence[jobs.WorkerRecord]) -> None:
    """All fields."""
    top = st.grid(4, min_column_width=200)
    for name in FIRST:
        with top.cell():
            form.widget(name)
    st.caption(plain(f"{form.value('method')}: {verbs.METHOD_FACTS[form.value('method')].purpose}."))
    made = {one.representation: one for one in dataset.representations}
    where = devices(workers)

    def described(name: str) -> str:
        one = made[name]
        by = f", archetypes by {one.archetypes_by}" if one.archetypes_by else ""
        return f"{name}: {' + '.join(f'{part} {width}' for part, width in one.dims.items())}{by}"

    middle, lower = st.grid(2, min_column_width=250), st.grid(3, min_column_width=200)
    for name, options, shown in (
        ("representation", [*reversed(made)] or [None], described),
        ("device", list(where), where.__getitem__),
    ):
        if name not in form.hidden:
            with middle.cell():
                form.widget(name, options, shown)
    for name, one in SEVERAL.items():
        if name not in form.hidden:
            with lower.cell():
                form.widget(name, empty=f"{form.value(one):g}, or several: A, B, …")
    for title, icon, names in GROUPS:
        form.group(title, names, icon)


def cost_key(request: verbs.TrainRequest) -> str:
    """Equal for runs that cost the same."""
    return json.dumps(request.model_dump(exclude={"seed"}), sort_keys=True)


def estimate_of(request: verbs.TrainRequest) -> verbs.Estimate | str | None:
    """What was measured for it in this tab; why it could not be measured; None where nobody asked yet."""
    found: verbs.Estimate | str | None = st.session_state.setdefault(f"{KEY}_estimates", {}).get(cost_key(request))
    return found


@guards.fragment
def estimating(request: verbs.TrainRequest, several: int) -> None:
    """What a run will cost, measured when asked for."""
    found = estimate_of(request)
    if isinstance(found, verbs.Estimate):
        st.session_state[ESTIMATE_ASKED] = False
        show_estimate(found, several)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Estimate", key="train_estimate", icon=":material/speed:", on_click=ask_estimate)
        if isinstance(found, str):
            st.markdown(f":orange[:material/warning: {plain(found)}]")
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
    of_each = f"For each of the {several} runs (the one with the largest alpha). " if several > 1 else ""
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
    made: set[str] = set()
    with services.told_errors():
        request = jobs.JobsRequest(states=[*ui.LIVE], limit=ui.MOST_LIVE)
        live = {one.job for one in jobs.jobs(services.workspace(), request).jobs}
        try:
            for one in wanted:
                made.add(jobs.submit(services.workspace(), "train", one, estimate=expected).job)
        except InputError as error:
            st.session_state[f"{KEY}_refused"] = str(error)
        jobs.ensure_worker(services.workspace())
    new, known = len(made - live), len(made & live)
    said = [count(new, "run") + " queued"] if new else []
    said += [count(known, "run") + " queued or running already"] if known else []
    if said:
        services.tell(f"{' · '.join(said)}.", ":material/rocket_launch:")


def refusal(wanted: Sequence[verbs.TrainRequest]) -> str | None:
    """Why these runs cannot run, if they cannot."""
    method = wanted[0].method
    if wanted[0].representation is None and verbs.METHOD_FACTS[method].needs_representation:
        return f"Method {method} needs item vectors: make them first (next step below), or choose method id."
    try:
        for one in {cost_key(one): one for one in wanted}.values():
            verbs.check(services.workspace(), one)
    except InputError as error:
        return str(error)
    return None


guards.heading("Training", "Launch runs with estimates first, watch their curves, stop, resume and compare them.")
dataset = datasets.choose()
workers = jobs.jobs(services.workspace(), jobs.JobsRequest(kinds=["train"], limit=1)).workers
newest = dataset.representations[-1].representation if dataset.representations else None
if given().get("representation") not in {None, *(one.representation for one in dataset.representations)}:
    given().pop("representation")  # of another data set
if given().get("device", "auto") not in devices(workers):
    given().pop("device")

defaults = defaults_of(dataset.dataset, given(), newest)
values = defaults | given()
hidden = hidden_in(values)
asked = {name: value for name, value in given().items() if name not in hidden}
asked |= {"dataset": dataset.dataset} | ({} if "representation" in hidden else {"representation": values["representation"]})
problems: dict[str, str] = {}
wanted: list[verbs.TrainRequest] = []
try:
    wanted = verbs.runs_of_grid(verbs.SweepRequest(**asked))
except ValidationError as error:
    problems = forms.problems(error, [name for name in defaults if name not in hidden])
except InputError as error:
    problems = {"": str(error)}

with st.container(border=True, key="train_form"):
    draw(forms.Form(verbs.SweepRequest, KEY, defaults, hidden, problems), dataset, workers)
    if given():
        st.button("Back to the defaults", icon=":material/restart_alt:", type="tertiary", on_click=given().clear)
    if not any("cuda" in name for name in devices(workers)):
        st.caption(":material/memory: No GPU here: runs train on the CPU. GPUs of workers are listed as devices.")
    reason = st.session_state.pop(f"{KEY}_refused", None)
    dearest = max(wanted, key=lambda one: one.alpha, default=None)
    if wanted:
        reason = reason or refusal(wanted)
        if dearest is not None and not reason:
            deviations = dict.fromkeys(one for run in wanted for one in run.deviations())
            if deviations:
                st.caption(plain(f"Not as in the paper: {'; '.join(deviations)}."))
            estimating(dearest, len(wanted))
    elif problems:
        reason = " ".join(said if name in said.lower() else f"{name}: {said}" for name, said in problems.items())
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
