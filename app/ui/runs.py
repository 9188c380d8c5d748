"""Training runs as they go: curves, a card for each with what can be done about it, and a table to compare them.

Everything here is read anew at each look, in a handful of queries however many runs there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import streamlit as st

from app.ui import curves, services, state
from app.ui import jobs as ui
from app.ui.text import count, plain
from genair_engine import jobs, verbs

Colour = Literal["green", "red", "blue", "orange"]
SHOWN_CARDS = 5
FOLLOWED = 3
"""Runs in the charts while none is chosen and none is training."""
_COLOURS: dict[str, Colour] = {"done": "green", "failed": "red", "training": "blue", "stopped": "orange"}
REDRAW = "runs_redraw"
"""Set in the tab's session where something outside this part has changed."""
METRICS = ("HR@10", "NDCG@10")
IN_COLUMNS = ("preset", "backbone", "method", "loss", "seed", "epochs")
"""Of a configuration, what has a column of its own."""


@dataclass(frozen=True)
class Entry:
    """A training job with its newest run, or a run that no training job made (the command line, a sweep)."""

    job: jobs.JobRecord | None
    run: verbs.WatchedRun | None
    live: bool
    """Whether a job works on it, or will."""

    @property
    def title(self) -> str:
        return self.job.title if self.job else name(self._result)

    @property
    def given(self) -> dict[str, Any]:
        """The configuration as it was asked for."""
        return (
            dict(self.job.config) if self.job else dict(self._result.config) | {"representation": self._result.representation}
        )

    @property
    def deviations(self) -> list[str]:
        """Where it is not the paper's, in words; those of its configuration while the run has not begun."""
        if self.run is not None:
            return self.run.result.deviations
        assert self.job is not None
        return ui.deviations(self.job)

    @property
    def stopped_early(self) -> str:
        """Why it has fewer epochs than its configuration allows; "" where it has not."""
        if self.run is None or self._result.state != "done" or self._result.epochs >= self._result.config.get("epochs", 0):
            return ""
        without = count(self._result.epochs - self._result.best_epoch, "epoch")
        return f"stopped early after {count(self._result.epochs, 'epoch')}: no better for {without}"

    @property
    def _result(self) -> verbs.RunResult:
        assert self.run is not None
        return self.run.result


def name(run: verbs.RunResult) -> str:
    """A run on one line, with what tells it from others."""
    config = run.config
    parts = [config.get("backbone"), config["method"], config.get("loss")]
    parts += [f"{option} {config[option]:g}" for option in ("alpha", "seed") if option in config]
    return " · ".join([*(part for part in parts if part), run.run[-8:]])


def entries(records: Sequence[jobs.JobRecord], runs: Sequence[verbs.WatchedRun]) -> list[Entry]:
    """Jobs and runs of a data set, live ones first, then newest first."""
    by_name = {watched.result.run: watched for watched in runs}
    mine = [job for job in records if job.kind == "train"]
    of_jobs = {run for job in mine for run in job.runs}
    going_on = {job.job for job in records if job.live}
    all_of_them = [Entry(job, by_name.get(job.runs[-1]) if job.runs else None, job.live) for job in mine]
    all_of_them += [
        Entry(None, watched, watched.result.state == "training" and watched.job in going_on)
        for watched in runs
        if watched.result.run not in of_jobs
    ]
    return sorted(all_of_them, key=lambda entry: (entry.live, _created(entry)), reverse=True)


def _created(entry: Entry) -> Any:
    return entry.job.created_at if entry.job else entry._result.created_at


def watch(dataset: str) -> ui.Watch:
    """Training of a data set, and what makes the item vectors for it."""
    kinds = ["train", "sweep", "generate", "represent"]
    return ui.Watch(jobs.JobsRequest(kinds=kinds, limit=ui.MOST_LIVE), dataset)


def live(dataset: str, watched: ui.Watch, duplicate: Callable[[dict[str, Any]], None]) -> None:
    """Curves, comparison and cards. duplicate: takes a configuration to the form."""
    if st.session_state.pop(REDRAW, False):
        st.rerun()
    records = watched.look().jobs
    runs = verbs.watched_runs(services.workspace(), dataset)
    all_of_them = entries(records, runs)
    for job in ui.running_first([job for job in records if job.live and job.kind != "train"]):
        ui.card(job)
    asked = _asked(dataset, {run.result.run for run in runs})
    if not all_of_them:
        st.caption("Nothing has been trained on this data set yet. Launch a run above, and its curves appear here.")
        return
    epochs = chart(dataset, all_of_them, runs, asked) if runs else {}
    shown = st.session_state.setdefault(f"cards_{dataset}", SHOWN_CARDS)
    cards = all_of_them[: max(shown, sum(entry.live for entry in all_of_them))]
    for entry in cards:
        card(entry, epochs, duplicate)
    if len(all_of_them) > len(cards):
        st.button(
            f"Show more of {count(len(all_of_them), 'run')}",
            icon=":material/expand_more:",
            on_click=st.session_state.__setitem__,
            args=(f"cards_{dataset}", shown + SHOWN_CARDS),
        )


def _asked(dataset: str, known: set[str]) -> list[str]:
    """The runs of `?runs=` that there are; the others are named in a warning."""
    named = state.separated(state.recall("runs", dataset))
    missing = [run for run in named if run not in known]
    if missing:
        warning = f"There is no {', '.join(f'“{run}”' for run in missing)} among the newest runs of this data set."
        st.warning(plain(warning), icon=":material/link_off:")
    return [run for run in named if run in known][: curves.MOST]


def chart(
    dataset: str, all_of_them: Sequence[Entry], runs: Sequence[verbs.WatchedRun], asked: list[str]
) -> dict[str, list[verbs.Epoch]]:
    """Loss and validation curves of the chosen runs, or of those that train now, and the runs in a table; their epochs."""
    results = {run.result.run: run.result for run in runs}
    _choose(dataset, results, asked)
    begun = [entry for entry in all_of_them if entry.run is not None]
    live = [entry for entry in begun if entry.live] or begun[:FOLLOWED]
    following = [entry.run.result.run for entry in live if entry.run is not None][: curves.MOST]
    shown = asked or following
    epochs = {run: history for run, history in verbs.run_epochs(services.workspace(), shown).items() if history}
    names = {run: name(results[run]) for run in shown}
    if epochs:
        left, right = st.columns(2)
        best = {run: results[run].best_epoch for run in shown}
        left.plotly_chart(curves.loss(epochs, names), key="curves_loss")
        right.plotly_chart(curves.validation(epochs, names, best), key="curves_validation")
    else:
        st.info("No epoch is complete yet: the curves begin with the first one.", icon=":material/hourglass_top:")
    st.caption(
        "Left: the mean loss of each epoch; lines of different losses are not comparable. Right: full ranking of the "
        "validation items after each epoch; higher is better, the star is the best epoch so far, whose weights a run keeps."
    )
    table = compared([entry for entry in begun if entry.run is not None and entry.run.result.run in shown], epochs)
    st.dataframe(table, hide_index=True, key="runs_table", placeholder="not yet")
    protocols = dict.fromkeys(verbs.protocol_in_words(results[run].protocol) for run in shown)
    st.caption(plain(f"How the metrics were obtained: {'; '.join(protocols)}. Each line is one run with one seed."))
    with st.container(horizontal=True):
        for label, frame, file in (("Curves", curves.table(epochs), "curves"), ("Table", table, "runs")):
            st.download_button(
                f"{label} as CSV",
                frame.to_csv(index=False),
                file_name=f"{dataset}-{file}.csv",
                mime="text/csv",
                key=f"csv_{file}",
                icon=":material/download:",
                on_click="ignore",
            )
    return epochs


def _choose(dataset: str, results: dict[str, verbs.RunResult], asked: list[str]) -> None:
    """The choice of runs, kept in `?runs=`; none means those that train now."""
    key = "runs_choice"
    # As the default too: a browser that draws the list only after a poll would else report that nothing is chosen.
    default: dict[str, Any] = {"default": asked}
    if st.session_state.get(key, asked) != asked:
        st.session_state[key], default = asked, {}
    st.multiselect(
        f"Runs to compare (at most {curves.MOST})",
        list(results),
        format_func=lambda run: name(results[run]),
        max_selections=curves.MOST,
        key=key,
        on_change=lambda: state.keep("runs", state.joined(st.session_state[key]), dataset),
        placeholder="Following what trains now, or else the newest; choose some to compare them",
        **default,
    )


def compared(chosen: Sequence[Entry], epochs: dict[str, list[verbs.Epoch]]) -> pd.DataFrame:
    """A row a run: what it is, how far it is, its metrics, and what it was expected to cost beside what it did.

    Of the options, those that differ between the runs have a column.
    """
    rows = []
    differing = differing_options([entry.run.result.config for entry in chosen if entry.run])
    for entry in chosen:
        assert entry.run is not None
        run, config = entry.run.result, entry.run.result.config
        spent = cost(entry, epochs.get(run.run, []))
        sampled = f"sampled{run.protocol['negatives']}"
        best_so_far = next((epoch.valid for epoch in epochs.get(run.run, []) if epoch.epoch == run.best_epoch), {})
        metrics = run.metrics or {"valid": {"full": best_so_far}}
        rows.append(
            {
                "Run": run.run,
                "State": entry.job.status if entry.job and entry.live else run.state,
                "Epochs": f"{run.epochs} of {config['epochs']}" if "epochs" in config else None,
                "Stopped early": entry.stopped_early.partition(": ")[2] or "no",
                "Best epoch": run.best_epoch or None,
            }
            | {
                f"{metric} {part}, {how}": metrics.get(part, {}).get(protocol, {}).get(metric)
                for part in ("test", "valid")
                for protocol, how in (("full", "all items"), (sampled, f"{run.protocol['negatives']} negatives"))
                for metric in METRICS
            }
            | {
                "Backbone": config.get("backbone"),
                "Method": config["method"],
                "Loss": config.get("loss"),
                "Seed": config.get("seed"),
            }
            | {name.replace("_", " ").capitalize(): config.get(name) for name in differing}
            | {
                "Split": run.protocol["split"],
                "s/epoch": spent.seconds,
                "s/epoch, estimated": spent.expected_seconds,
                "Peak MB": spent.megabytes,
                "Peak MB, estimated": spent.expected_megabytes,
                "Device": run.device,
                "Not as in the paper": "; ".join(run.deviations) or "nothing",
            }
        )
    return pd.DataFrame(rows).round(4)


def differing_options(configs: Sequence[dict[str, Any]]) -> list[str]:
    """Options that not all of some configurations have with the same value."""
    names = dict.fromkeys(name for config in configs for name in config if name not in IN_COLUMNS)
    return [name for name in names if any(config.get(name) != configs[0].get(name) for config in configs)]


@dataclass(frozen=True)
class Cost:
    """What a run took so far and what was expected; None where it is not known."""

    seconds: float | None
    megabytes: float | None
    expected_seconds: float | None
    expected_megabytes: float | None

    def words(self) -> str:
        def pair(what: str, used: float | None, expected: float | None, form: str) -> str:
            figures = [f"{expected:{form}} estimated"] if expected else []
            figures += [f"{used:{form}} used"] if used else []
            return f"{what}: {', '.join(figures)}" if figures else ""

        parts = (
            pair("seconds an epoch", self.seconds, self.expected_seconds, ".2f"),
            pair("MB", self.megabytes, self.expected_megabytes, ",.0f"),
        )
        return " · ".join(part for part in parts if part)


def cost(entry: Entry, epochs: Sequence[verbs.Epoch] = ()) -> Cost:
    """Of a run that goes on: the median of its epochs, and the memory that its processes hold now."""
    run = entry.run.result if entry.run else None
    expected = (entry.job.estimate if entry.job else None) or {}
    so_far = statistics.median(epoch.seconds for epoch in epochs) if epochs else None
    seconds = (run.seconds_per_epoch if run else 0.0) or so_far
    megabytes = (run.peak_memory_mb if run else 0.0) or (entry.job.usage.get("memory_mb") if entry.job else None)
    return Cost(seconds, megabytes, expected.get("seconds_per_epoch"), expected.get("memory_mb"))


def card(entry: Entry, epochs: dict[str, list[verbs.Epoch]], duplicate: Callable[[dict[str, Any]], None]) -> None:
    """One run: state, progress, cost, why it failed, what is not as in the paper, and what can be done."""
    job, run = entry.job, entry.run
    key = job.job if job else entry._result.run
    known = epochs.get(run.result.run, []) if run else []
    with st.container(border=True, gap="xsmall", key=f"run_{key}"):
        with ui.header(entry.title, job):
            if job is None:
                st.badge(entry._result.state, color=_COLOURS[entry._result.state])
            st.button(
                "Duplicate",
                key=f"duplicate_{key}",
                icon=":material/content_copy:",
                help="Fills the form with this run's configuration.",
                on_click=duplicate,
                args=(entry.given,),
            )
        if job:
            ui.progress(job)
        error = (job.error if job else None) or (run.error if run else None)
        small_print = [*(ui.facts(job) if job else [key]), cost(entry, known).words(), entry.stopped_early]
        ui.outcome(job, error, [line for line in small_print if line], entry.deviations)
        if run and run.result.state == "done":
            st.caption(f"Test NDCG@10 {run.result.metrics['test']['full']['NDCG@10']:.4f} among all items.")
            ui.recommend_link(run.result.dataset, run.result.run)
        if job:
            ui.show_log(job)
