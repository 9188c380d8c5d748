"""Jobs: what runs now, what waits, what has ended; cancel, resume, logs, and the workers that do it all."""

from __future__ import annotations

import streamlit as st

from app.ui import guards, services, state
from app.ui import jobs as ui
from app.ui.text import count
from genair_engine import jobs

SHOWN_ENDED = 10
SHOWN_LIVE = 50
ENDED = ("done", "failed", "cancelled")


def live() -> None:
    """Workers and live jobs; runs again by itself while there are any."""
    found = ui.watched(jobs.JobsRequest(states=["queued", "running"], limit=SHOWN_LIVE))
    st.subheader("Now", anchor=False)
    ui.workers(found.workers)
    for job in sorted(found.jobs, key=lambda one: (one.state != "running", one.created_at)):
        ui.card(job)
    if not found.jobs:
        st.caption("Nothing runs and nothing waits.")
    ui.ended(found.jobs)


def one(name: str) -> None:
    """The job of the link; runs again by itself while it is live."""
    job = jobs.job(services.workspace(), name)
    ui.card(job)
    ui.ended([job] if job.live else [])


guards.heading("Jobs", "Long work runs here, apart from the pages: close the browser or restart the app, and it goes on.")
asked = state.recall("job")
if asked:
    st.button("All jobs", icon=":material/arrow_back:", on_click=state.keep, args=("job", ""))
    live_one = jobs.job(services.workspace(), asked).live
    st.fragment(one, run_every=ui.WATCH_SECONDS if live_one else None)(asked)
    st.stop()

anything = jobs.jobs(services.workspace(), jobs.JobsRequest(states=["queued", "running"], limit=1)).jobs
st.fragment(live, run_every=ui.WATCH_SECONDS if anything else None)()

st.subheader("Ended", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    states = st.pills("State", ENDED, selection_mode="multi", key="job_states")
    kinds = st.pills("Kind", list(jobs.KINDS), selection_mode="multi", key="job_kinds")
shown = st.session_state.setdefault("ended_shown", SHOWN_ENDED)
ended = jobs.jobs(services.workspace(), jobs.JobsRequest(states=states or list(ENDED), kinds=kinds, limit=shown + 1)).jobs
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
