"""Jobs as the pages show them: state, progress, what one can do about them, and their log.

Live parts are fragments that run again by themselves only while something is queued or running, each with three queries.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from app.ui import navigation, services
from app.ui.text import count, plain
from genair_engine import jobs

WATCH_SECONDS = 2
SHOWN_NOW = 5
LOG_LINES = 200
_BADGES = {
    "queued": ("schedule", "gray"),
    "running": ("progress_activity", "blue"),
    "done": ("check_circle", "green"),
    "failed": ("error", "red"),
    "cancelled": ("block", "orange"),
}


def watched(request: jobs.JobsRequest) -> jobs.JobsResult:
    """Jobs and workers as they are now; where jobs wait and no worker is alive, one is started on this machine."""
    found = jobs.jobs(services.workspace(), request)
    if not found.workers and any(one.live for one in found.jobs):
        jobs.ensure_worker(services.workspace())
    return found


def now() -> None:
    """What runs and waits, in short; nothing where nothing does. Runs again by itself while there is something."""
    request = jobs.JobsRequest(states=["queued", "running"], limit=SHOWN_NOW + 1)
    if not watched(request).jobs:
        return
    st.subheader("Now", anchor=False)
    st.fragment(_now, run_every=WATCH_SECONDS)(request)


def _now(request: jobs.JobsRequest) -> None:
    found = watched(request).jobs
    for job in found[:SHOWN_NOW]:
        with st.container(border=True, gap="xsmall", key=f"now_{job.job}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                badge(job)
                st.text(job.title, width="stretch")
            progress(job)
    if len(found) > SHOWN_NOW:
        st.caption("There are more of them.")
    st.page_link(navigation.JOBS, label="All jobs", icon=":material/work_history:")
    ended(found)


def ended(live: list[jobs.JobRecord]) -> None:
    """Draws the whole page anew when one of the watched jobs has ended: what it made is shown elsewhere on the page."""
    ids = {job.job for job in live}
    gone = st.session_state.get("watched_jobs", set()) - ids
    st.session_state["watched_jobs"] = ids
    if gone:
        st.rerun()


def badge(job: jobs.JobRecord) -> None:
    """The state, by icon, colour and word."""
    icon, colour = _BADGES[job.state]
    said = "stopping" if job.state == "running" and job.cancel_requested else job.state
    st.badge(said, icon=f":material/{icon}:", color=colour)


def card(job: jobs.JobRecord) -> None:
    """One job: what it is, how far it is, what went wrong, and what can be done."""
    with st.container(border=True, gap="xsmall", key=f"job_{job.job}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            badge(job)
            st.text(job.title, width="stretch")
            actions(job)
        progress(job)
        if job.error:
            st.error(plain(job.error), icon=":material/error:")
        st.caption(plain(" · ".join(facts(job))))
        if job.kind in ("train", "sweep") and job.state == "done" and job.runs:
            st.page_link(
                navigation.RECOMMEND,
                label="Recommend with this run",
                icon=":material/auto_awesome:",
                query_params={"dataset": str(job.dataset), "run": job.runs[-1]},
            )
        if job.attempts:
            show_log(job)


def progress(job: jobs.JobRecord) -> None:
    """A bar while it runs, and the last thing that it said."""
    if job.state == "running":
        st.progress(min(1.0, job.done / job.total) if job.total else 0.0, text=plain(job.what or "starting"))
    elif job.state == "queued":
        st.caption(plain(f"Waits: {job.waits}." if job.waits else "Waits."))
    elif job.what and job.state == "cancelled":
        st.caption(plain(f"Stopped after: {job.what}"))


def facts(job: jobs.JobRecord) -> list[str]:
    """Id, times, attempts, use of the machine: the small print of a job."""
    said = [job.job]
    if job.started_at is None:
        said.append(f"submitted {ago(job.created_at)}")
    elif job.finished_at is None:
        said.append(f"started {ago(job.started_at)}")
        left = remaining(job)
        if left is not None:
            said.append(f"about {duration(left)} left")
    else:
        said.append(f"ended {ago(job.finished_at)} after {duration(job.finished_at - job.started_at)}")
    if job.attempts > 1:
        said.append(f"attempt {job.attempts} of at most {job.max_attempts}")
    if job.usage:
        said.append(f"CPU {job.usage.get('cpu_percent', 0):.0f}% (100% is one core)")
        said.append(f"memory {job.usage.get('memory_mb', 0):,.0f} MB")
    if job.devices:
        said.append("GPU " + ", ".join(map(str, job.devices)))
    if job.runs:
        said.append("run " + ", ".join(job.runs[:3]) + (f" and {len(job.runs) - 3} more" if len(job.runs) > 3 else ""))
    return said


def remaining(job: jobs.JobRecord) -> timedelta | None:
    """Time to go at the rate so far; None where an attempt before this one did part of it, or nothing is done yet."""
    if job.started_at is None or job.attempts != 1 or not 0 < job.done < job.total:
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
    """The end of the log, read only while it is open."""
    opened = st.expander("Log", icon=":material/article:", key=f"log_{job.job}", on_change="rerun")
    if opened.open:
        text = jobs.log_tail(services.workspace(), job.job, LOG_LINES)
        opened.code(
            text or "The job has written nothing yet.", language=None, height=280 if text.count("\n") > 10 else "content"
        )


def workers(found: list[jobs.WorkerRecord]) -> None:
    """A line a worker: where it is, what it can use, when it was last heard of."""
    if not found:
        st.caption("No worker is alive. The app starts one on this machine with the next job, unless GENAIR\\_WORKER is none.")
    for one in found:
        gpus = ", ".join(
            f"GPU {gpu.index} {gpu.name}: {gpu.free_mb:,} of {gpu.total_mb:,} MB free, {gpu.utilization}% busy"
            for gpu in one.gpus
        )
        at_a_time = count(one.slots, "job") + " at a time"
        what = "the Ray cluster" if one.executor == "ray" else gpus or "no GPU, trains on the CPU"
        st.caption(plain(f"Worker on {one.host} (process {one.pid}): {at_a_time}, {what}; heartbeat {ago(one.heartbeat_at)}."))


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
