"""A fresh workspace: the demo is built by itself, as a job, so that the first look at the product finds something to see."""

from __future__ import annotations

from contextlib import suppress

from genair_engine.errors import ModelError
from genair_engine.jobs.queue import submit
from genair_engine.store import jobs as rows
from genair_engine.verbs.system.requests import DemoRequest
from genair_engine.workspace import Workspace


def queue_demo(workspace: Workspace) -> None:
    """Queues the demo where there is no data set and nobody has ever asked for anything, unless the settings forbid it.

    Whoever deletes the demo, or stops it, does not get it again by itself. Without the demo models nothing is queued: whoever
    asks for the demo is told why.
    """
    items = workspace.settings.demo_items
    with workspace.reading() as session:
        used = rows.newest(session, (), (), 1)
    if items and not used and not workspace.dataset_rows():
        with suppress(ModelError):
            submit(workspace, "demo", DemoRequest() if items == DemoRequest().items else DemoRequest(items=items))
