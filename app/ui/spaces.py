"""Spaces of item vectors as pages show them: which to look at first, their names, and jobs for what is not computed yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.ui import jobs as ui
from app.ui import services
from app.ui.text import one_line, plain
from genair_engine import jobs, verbs

PANELS = 3
SETTINGS = ("backbone", "loss", "dim", "dropout", "seed")
"""What changes the vectors, whatever the method is."""


def first_methods() -> tuple[list[str], list[str], list[str]]:
    """Methods of the first three panels, after the paper's figure 5: free vectors, another use of the representation, and
    vectors that are functions of it and calibrated."""
    trained = [method for method in verbs.METHODS.values() if method.tags.trained and method.tags.dot_product]
    free = [method.name for method in trained if not method.needs]
    projected = [
        method.name
        for method in trained
        if method.tags.calibrated and method.tags.ranks_new_items and not method.tags.added_vectors
    ]
    others = [method.name for method in trained if method.name not in (*free, *projected)]
    return free, others, projected


def suggested(ready: Sequence[verbs.RunResult], spaces: Mapping[str, verbs.Space]) -> list[str]:
    """Up to three spaces to begin with: a run of each kind of method, as alike in the rest as can be, then others.

    ready: the runs that can recommend, newest first.
    """
    runs = [run for run in ready if run.run in spaces]
    chosen = [run.run for run in comparable(runs, first_methods())]
    represented = [name for name, space in spaces.items() if space.kind not in ("trained", "states")]
    return list(dict.fromkeys([*chosen, *represented, *(run.run for run in runs)]))[:PANELS]


def comparable(runs: Sequence[verbs.RunResult], methods: Sequence[Sequence[str]]) -> list[verbs.RunResult]:
    """A run for each group of methods that has one, in their order: those most like the last group's newest in all else.

    runs: newest first.
    """
    of_groups = [[run for run in runs if run.config["method"] in group] for group in methods]
    model = next((group[0] for group in reversed(of_groups) if group), None)
    return [min(group, key=lambda run: _unlike(run, model)) for group in of_groups if model is not None and group]


def _unlike(run: verbs.RunResult, other: verbs.RunResult) -> int:
    """In how many settings that change the vectors two runs differ."""
    return sum(run.config.get(name) != other.config.get(name) for name in SETTINGS)


def label(space: verbs.Space) -> str:
    """A space in a list, as plain text."""
    return f"{one_line(space.what, 70)} · {space.space}"


def short(spaces: Sequence[verbs.Space]) -> list[str]:
    """Names for legends, as short as they can be told apart: what it is, with the id where two are the same."""
    names = [one_line(space.what, 48) for space in spaces]
    return [
        f"{name} ({space.space[-8:]})" if names.count(name) > 1 else name for name, space in zip(names, spaces, strict=True)
    ]


def deviations(spaces: Sequence[verbs.Space]) -> None:
    """Which of these are not as in the paper, and where."""
    for space in spaces:
        if space.deviations:
            st.caption(plain(f"Not as in the paper, {space.space}: {'; '.join(space.deviations)}."))


def offer(kind: str, request: verbs.AnalyseRequest | verbs.ProjectRequest, what: str, button: str) -> None:
    """What is missing, with the button that computes it; while a job does, and if it failed, the job."""
    config = request.model_dump(mode="json", exclude_unset=True)
    known = jobs.jobs(services.workspace(), jobs.JobsRequest(kinds=[kind], limit=50)).jobs
    job = next((record for record in known if record.config == config), None)
    if job is not None and job.state != "done":
        ui.follow(job.job)
        return
    key = f"{kind}_{'_'.join(config['spaces'])}"
    with st.container(border=True, key=f"offer_{key}"):
        st.caption(what)
        st.button(
            button,
            key=f"compute_{key}",
            icon=":material/play_arrow:",
            type="primary",
            help="Runs as a job; the page shows how far it is, and the result when it is there.",
            on_click=services.submit,
            args=(kind, request),
        )
