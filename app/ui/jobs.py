"""Jobs as the pages show them: state, progress, what one can do about them, and their log.

Live parts are fragments that look again by themselves: often while something is queued or running, else now and then, for
what the command line or another tab has launched. A look is a handful of queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

import streamlit as st
from pydantic import ValidationError

from app.ui import guards, navigation, services
from app.ui.text import count, one_line, plain
from genair_engine import jobs, verbs

WATCH_SECONDS = 2
IDLE_SECONDS = 15
SHOWN_NOW = 5
MOST_LIVE = 1000
LOG_LINES = 200
LIVE: tuple[Literal["queued", "running"], ...] = ("queued", "running")
_BADGES = {
    "queued": ("schedule", "gray"),
    "running": ("progress_activity", "blue"),
    "done": ("check_circle", "green"),
    "failed": ("error", "red"),
    "cancelled": ("block", "orange"),
}


class Watch:
    """The jobs that a page is drawn with, which its live part then looks at again and again.

    dataset: only its jobs. Where one of them has begun or ended since, the whole page is drawn anew: what it made is shown
    elsewhere on the page, and how often to look is decided anew.
    """

    def __init__(self, request: jobs.JobsRequest, dataset: str | None = None) -> None:
        self._request, self._dataset = request, dataset
        self._drawn: jobs.JobsResult | None = self._ask()
        self.live = self._live(self._drawn)

    @property
    def every(self) -> int:
        """Seconds between looks."""
        return WATCH_SECONDS if self.live else IDLE_SECONDS

    def look(self) -> jobs.JobsResult:
        """The jobs of the page while it is being drawn, and as they are now from then on."""
        drawn, self._drawn = self._drawn, None
        if drawn is not None:
            return drawn
        result = self._ask()
        if self._live(result) != self.live:
            st.rerun()
        return result

    def _ask(self) -> jobs.JobsResult:
        result = jobs.jobs(services.workspace(), self._request)
        if not result.workers and any(job.live for job in result.jobs):
            jobs.ensure_worker(services.workspace())
        mine = [job for job in result.jobs if self._dataset in (None, job.dataset)]
        return result.model_copy(update={"jobs": mine})

    @staticmethod
    def _live(result: jobs.JobsResult) -> set[str]:
        return {job.job for job in result.jobs if job.live}


def going_on() -> Watch:
    """A watch over all that runs and waits."""
    return Watch(jobs.JobsRequest(states=[*LIVE], limit=MOST_LIVE))


def now(watch: Watch) -> None:
    """What runs and waits, in short; nothing where nothing does. A part of a fragment that looks again every so often."""
    unfinished = running_first(watch.look().jobs)
    if not unfinished:
        return
    st.subheader("Now", anchor=False)
    for job in unfinished[:SHOWN_NOW]:
        with st.container(border=True, gap="xsmall", key=f"now_{job.job}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                badge(job)
                st.text(job.title, width="stretch")
            progress(job)
    if len(unfinished) > SHOWN_NOW:
        st.caption(f"And {count(len(unfinished) - SHOWN_NOW, 'more job')}.")
    st.page_link(navigation.JOBS, label="All jobs", icon=":material/work_history:")


def running_first(records: Sequence[jobs.JobRecord]) -> list[jobs.JobRecord]:
    """What runs, then what waits, each in the order in which it was submitted."""
    return sorted(records, key=lambda job: (job.state != "running", job.created_at))


def badge(job: jobs.JobRecord) -> None:
    """The state, by icon, colour and word."""
    icon, colour = _BADGES[job.state]
    word = "stopping" if job.state == "running" and job.cancel_requested else job.state
    st.badge(word, icon=f":material/{icon}:", color=colour)


def follow(name: str) -> None:
    """One job, looked at again and again; the whole page is drawn anew when it begins or ends."""
    live = jobs.job(services.workspace(), name).live

    def look() -> None:
        job = jobs.job(services.workspace(), name)
        if job.live != live:
            st.rerun()
        card(job)

    guards.fragment(look, WATCH_SECONDS if live else IDLE_SECONDS)()


def card(job: jobs.JobRecord) -> None:
    """One job: what it is, how far it is, what went wrong, and what can be done."""
    with st.container(border=True, gap="xsmall", key=f"job_{job.job}"):
        with header(job.title, job):
            pass
        progress(job)
        outcome(job, job.error, facts(job), deviations(job))
        if job.kind in ("train", "sweep") and job.state == "done" and job.runs:
            recommend_link(str(job.dataset), job.runs[-1])
        show_log(job)


@contextmanager
def header(title: str, job: jobs.JobRecord | None) -> Iterator[None]:
    """The first line of a card: state, title, what can be done about the job; what is drawn inside comes after that."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if job:
            badge(job)
        st.text(one_line(title, 110), width="stretch")
        if job:
            actions(job)
        yield


def outcome(
    job: jobs.JobRecord | None, error: str | None, small_print: Sequence[str], unlike_the_paper: Sequence[str]
) -> None:
    """Why it failed, the small print with a link to the job, and what is not as in the paper."""
    if error:
        st.error(plain(error), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if job:
            st.page_link(navigation.JOBS, label=plain(job.job), query_params={"job": job.job}, width="content")
        st.caption(plain(" · ".join(small_print)))
    if unlike_the_paper:
        st.caption(plain(f"Not as in the paper: {'; '.join(unlike_the_paper)}."))


def deviations(job: jobs.JobRecord) -> list[str]:
    """Where the configuration of a training job is not the paper's, in words."""
    if job.kind != "train":
        return []
    try:
        known = {name: value for name, value in job.config.items() if name in verbs.TrainRequest.model_fields}
        return verbs.TrainRequest(**known).config().departures()
    except ValidationError:
        return ["a configuration of an earlier version, which this version cannot read"]


def recommend_link(dataset: str, run: str) -> None:
    """To the Recommend page with a run."""
    st.page_link(
        navigation.RECOMMEND,
        label="Recommend with this run",
        icon=":material/auto_awesome:",
        query_params={"dataset": dataset, "run": run},
    )


def progress(job: jobs.JobRecord) -> None:
    """A bar while it runs, and the last thing that it said."""
    if job.state == "running":
        st.progress(min(1.0, job.done / job.total) if job.total else 0.0, text=plain(job.what or "starting"))
    elif job.state == "queued":
        st.caption(plain(f"Waits: {job.waits}." if job.waits else "Waits."))
    elif job.what and job.state == "cancelled":
        st.caption(plain(f"Stopped after: {job.what}"))


def facts(job: jobs.JobRecord) -> list[str]:
    """Times, attempts, use of the machine: the small print of a job."""
    parts = []
    if job.started_at is None or job.state == "queued":
        parts.append(f"submitted {ago(job.created_at)}")
    elif job.finished_at is None:
        parts.append(f"started {ago(job.started_at)}")
        left = remaining(job)
        if left is not None:
            parts.append(f"about {duration(left)} left")
    else:
        parts.append(f"ended {ago(job.finished_at)} after {duration(job.finished_at - job.started_at)}")
    if job.attempts > 1:
        parts.append(f"attempt {job.attempts} of at most {job.max_attempts}")
    if job.usage:
        parts.append(f"CPU {job.usage.get('cpu_percent', 0):.0f}% (100% is one core)")
        parts.append(f"memory {job.usage.get('memory_mb', 0):,.0f} MB")
    if job.devices:
        parts.append("GPU " + ", ".join(map(str, job.devices)))
    if job.runs:
        parts.append("run " + ", ".join(job.runs[:3]) + (f" and {len(job.runs) - 3} more" if len(job.runs) > 3 else ""))
    return parts


def remaining(job: jobs.JobRecord) -> timedelta | None:
    """Time to go at the rate so far; None where an attempt before this one did part of it, or nothing is done yet."""
    if job.state != "running" or job.started_at is None or job.attempts != 1 or not 0 < job.done < job.total:
        return None
    return (datetime.now(UTC) - job.started_at) / job.done * (job.total - job.done)


def actions(job: jobs.JobRecord) -> None:
    """Cancel, or resume."""
    if job.live:
        st.button(
            "Cancel",
            key=f"cancel_{job.job}",
            icon=":material/stop_circle:",
            help="Stops at the next checkpoint; what is done is kept.",
            disabled=job.cancel_requested,
            on_click=services.act,
            args=(jobs.cancel, job.job),
        )
    elif job.state in ("failed", "cancelled"):
        st.button(
            "Resume",
            key=f"resume_{job.job}",
            icon=":material/play_circle:",
            help="Goes on from the last checkpoint.",
            on_click=services.act,
            args=(jobs.retry, job.job),
        )


def show_log(job: jobs.JobRecord) -> None:
    """The end of the log of a job that has begun, read only while it is open."""
    if not job.attempts:
        return
    opened = st.expander("Log", icon=":material/article:", key=f"log_{job.job}", on_change="rerun")
    if opened.open:
        text = jobs.log_tail(services.workspace(), job.job, LOG_LINES)
        opened.code(
            text or "The job has written nothing yet.", language=None, height=280 if text.count("\n") > 10 else "content"
        )


def workers(records: list[jobs.WorkerRecord]) -> None:
    """A line a worker: where it is, what it can use, when it was last heard of."""
    if not records:
        st.caption("No worker is alive. The app starts one on this machine with the next job, unless GENAIR\\_WORKER is none.")
    for worker in records:
        gpus = ", ".join(
            f"GPU {gpu.index} {gpu.name}: {gpu.free_mb:,} of {gpu.total_mb:,} MB free, {gpu.utilization}% busy"
            for gpu in worker.gpus
        )
        at_a_time = count(worker.slots, "job") + " at a time"
        what = "the Ray cluster" if worker.executor == "ray" else gpus or "no GPU, trains on the CPU"
        st.caption(
            plain(
                f"Worker on {worker.host} (process {worker.pid}): {at_a_time}, {what}; heartbeat {ago(worker.heartbeat_at)}."
            )
        )


def ago(moment: datetime) -> str:
    """How long it is since then, in words."""
    return f"{duration(datetime.now(UTC) - moment)} ago"


def duration(span: timedelta) -> str:
    """A time span in its largest units: 42 s, 3 min 20 s, 2 h 5 min."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if minutes < 10 and seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
