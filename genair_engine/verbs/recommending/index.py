"""The verb `index`: an approximate index for a run with a large catalogue, measured before it is kept."""

from __future__ import annotations

import numpy as np

from genair_engine.errors import InputError
from genair_engine.methods.registry import with_item_vectors
from genair_engine.serving.index import PAYS_FROM
from genair_engine.store import artifacts
from genair_engine.store import runs as rows
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.recommending.export_requests import IndexRequest, IndexResult
from genair_engine.workspace import Workspace


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
    if recommender.dot_product is None:
        raise InputError(
            f"Run {request.run!r} has no item vectors that an index could hold: choose a run of method "
            f"{' or '.join(with_item_vectors())}."
        )
    dataset = recommender.catalogue
    if recommender.n_items < PAYS_FROM and not request.anyway:
        raise InputError(
            f"{dataset.name!r} has {recommender.n_items:,} items: exact search takes milliseconds there. An index pays from "
            f"about {PAYS_FROM:,}; --anyway makes one all the same."
        )
    users = dataset.split.users
    chosen = np.random.default_rng(0).permutation(users)[: request.sessions]
    sessions = [dataset.sequences[int(user)][:-1].tolist() for user in chosen]
    built = build_index(recommender, sessions, request.recall, lambda what: progress(1, 2, what))
    with workspace.reading() as session:
        artifact = index_of(rows.find_run(session, request.run)[0])
    artifacts.save_arrays(workspace.path(artifact), *built.arrays())
    workspace.publish(artifact)
    progress(2, 2, "indexed")
    return IndexResult(run=request.run, index=built.facts)
