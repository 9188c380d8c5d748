"""The verb `index`: an approximate index for a run with a large catalogue, measured before it is kept."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from genair_engine.errors import InputError
from genair_engine.serving.index import PAYS_FROM, IndexFacts
from genair_engine.store import artifacts
from genair_engine.store import runs as rows
from genair_engine.verbs.base import Progress, Request, Result, positional, silent
from genair_engine.workspace import Workspace


class IndexRequest(Request):
    """Make an approximate index of a run's items, for fast recommendations from a large catalogue."""

    run: str = positional("run")
    recall: float = Field(0.98, gt=0, le=1, description="share of the exact top 10 that the index must find")
    sessions: int = Field(1000, ge=40, le=100_000, description="test users' histories that it is measured on, at most")
    anyway: bool = Field(False, description="also for a catalogue so small that exact search is fast enough")


class IndexResult(Result):
    """A run's index, and how good it is."""

    run: str
    index: IndexFacts

    def lines(self) -> list[str]:
        made = self.index
        return [
            f"Run {self.run}: {made.n_items:,} items in {made.lists:,} clusters, of which a session visits {made.probes:,}.",
            f"  Recall@10 {made.recall:.4f} on {made.sessions:,} sessions; {made.milliseconds:.2f} ms a session, exact search "
            f"{made.exact_milliseconds:.2f} ms ({made.threads} threads).",
            "  It is used from now on; an app or server that has the run in memory uses it after a restart.",
        ]


def index(workspace: Workspace, request: IndexRequest, progress: Progress = silent) -> IndexResult:
    """Makes, measures and keeps the index; an earlier one is replaced.

    Raises NotFoundError; InputError for a catalogue that needs none, too few sessions, or where no index reaches the recall in
    a time that is worth it; ModelError where FAISS is not installed.
    """
    from genair_engine.serving.indexing import build_index
    from genair_engine.verbs.recommending.recommend import load_recommender
    from genair_engine.verbs.recommending.recommender import index_of

    progress(0, 2, f"loading {request.run}")
    recommender = load_recommender(workspace, request.run)
    dataset = recommender.catalogue
    if recommender.n_items < PAYS_FROM and not request.anyway:
        raise InputError(
            f"{dataset.name!r} has {recommender.n_items:,} items: exact search takes milliseconds there. An index pays from "
            f"about {PAYS_FROM:,}; --anyway makes one all the same."
        )
    users = dataset.split.users
    chosen = np.random.default_rng(0).permutation(users)[: request.sessions]
    sessions = [dataset.sequences[int(user)][:-1].tolist() for user in chosen]
    made = build_index(recommender, sessions, request.recall, lambda what: progress(1, 2, what))
    with workspace.reading() as session:
        artifact = index_of(rows.find_run(session, request.run)[0])
    artifacts.save_arrays(workspace.path(artifact), *made.arrays())
    workspace.publish(artifact)
    progress(2, 2, "indexed")
    return IndexResult(run=request.run, index=made.facts)
