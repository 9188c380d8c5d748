"""Jobs: what runs now, what waits, what has ended; cancel, resume, logs, and the workers that do it all."""

from __future__ import annotations

import streamlit as st

from app.ui import guards, services, state
from app.ui import jobs as ui
from app.ui.text import count
from genair_engine import jobs

SHOWN_ENDED = 10
SHOWN_LIVE = 50
SORTED = 200
"""Ended jobs that are put into the order in which they ended, at least; they are found by when they were submitted."""
ENDED = ("done", "failed", "cancelled")


def live(watch: ui.Watch) -> None:
    """Workers and live jobs."""
    result = watch.look()
    st.subheader("Now", anchor=False)
    ui.workers(result.workers)
    for job in ui.running_first(result.jobs)[:SHOWN_LIVE]:
        ui.card(job)
    if not result.jobs:
        st.caption("Nothing runs and nothing waits.")
    if len(result.jobs) > SHOWN_LIVE:
        st.caption(f"And {count(len(result.jobs) - SHOWN_LIVE, 'more job')}.")


guards.heading("Jobs", "Long work runs here, apart from the pages: close the browser or restart the app, and it goes on.")
asked = state.recall("job")
if asked:
    st.button("All jobs", icon=":material/arrow_back:", on_click=state.keep, args=("job", ""))
    ui.follow(asked)
    st.stop()

watch = ui.Watch(jobs.JobsRequest(states=[*ui.LIVE], limit=ui.MOST_LIVE))
guards.fragment(live, watch.every)(watch)

st.subheader("Ended", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    states = st.pills("State", ENDED, selection_mode="multi", key="job_states")
    kinds = st.pills("Kind", list(jobs.job_kinds()), selection_mode="multi", key="job_kinds")
shown = st.session_state.setdefault("ended_shown", SHOWN_ENDED)
request = jobs.JobsRequest(states=states or [*ENDED], kinds=kinds, limit=max(SORTED, shown + 1))
records = jobs.jobs(services.workspace(), request).jobs
ended = [job for job in records if job.job not in watch.live]  # what ended since is drawn above, for one more look
ended.sort(key=lambda job: job.finished_at or job.created_at, reverse=True)
for job in ended[:shown]:
    ui.card(job)
if not ended:
    st.caption("No job has ended yet." if not (states or kinds) else "No job is like that.")
if len(ended) > shown:
    st.button(
        f"Show {count(SHOWN_ENDED, 'more', 'more')}",
        icon=":material/expand_more:",
        on_click=st.session_state.__setitem__,
        args=("ended_shown", shown + SHOWN_ENDED),
    )
