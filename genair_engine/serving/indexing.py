"""Making an approximate index: cluster the item vectors, find how many clusters a state must visit, measure what comes out.

How well an index serves depends on the vectors and on the states that ask, so nothing is assumed: the number of probes is
the smallest power of two that reaches the wanted recall on one half of the given sessions, and the recall that is kept was
measured on the other half, through the very search that serves (`Ranker.top`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genair_engine.errors import InputError
from genair_engine.serving.index import ApproximateIndex, IndexFacts, fingerprint, load_faiss
from genair_engine.serving.ranker import Ranker
from genair_engine.types import ItemArray

K = 10
"""The list whose recall is measured."""
LEAST_SESSIONS = 40
TIMED = 50
"""Sessions that are timed, one at a time."""
TRAINING_ROWS = 40
"""Item vectors a cluster that the clustering looks at; FAISS asks for 39."""
MOST_SHARE = 0.5
"""Of exact search's time: an index that takes longer is not worth its recall."""


def build_index(
    ranker: Ranker,
    sessions: Sequence[Sequence[int]],
    recall: float = 0.98,
    tell: Callable[[str], None] = lambda what: None,  # noqa: ARG005
) -> ApproximateIndex:
    """An index of the ranker's items whose top 10 holds at least `recall` of the exact one for sessions like the given.

    sessions: at least 40 (item indices). Raises InputError for fewer, and where no number of probes reaches the recall in
    half the time that exact search takes: then exact search is the better choice.
    """
    if len(sessions) < LEAST_SESSIONS:
        raise InputError(f"An index is measured on sessions: {len(sessions)} are too few, {LEAST_SESSIONS} are the least.")
    vectors = ranker.require_dot_product().table()
    exact = Ranker(ranker.recommender, ranker.item_ids, ranker.titles)
    tell("clustering the item vectors")
    index = _train(vectors[1:].cpu().numpy())
    tell("measuring exact search")
    wanted, _ = exact.top(sessions, K)
    exact_milliseconds = milliseconds(exact, sessions)
    choosing, measuring = slice(0, None, 2), slice(1, None, 2)
    facts = IndexFacts(
        n_items=exact.n_items,
        dim=vectors.shape[1],
        lists=index.nlist,
        probes=1,
        recall=0.0,
        sessions=len(sessions[measuring]),
        milliseconds=0.0,
        exact_milliseconds=exact_milliseconds,
        threads=torch.get_num_threads(),
        table=fingerprint(vectors),
    )
    enough = recall + (1 - recall) / 4  # the other half may turn out a little harder
    while True:
        tell(f"trying {facts.probes} of {facts.lists} clusters a session")
        tried = Ranker(exact.recommender, exact.item_ids, exact.titles, ApproximateIndex(index, facts))
        reached = found_share(tried.top(sessions[choosing], K)[0], wanted[choosing])
        if reached >= enough or facts.probes >= facts.lists:
            break
        facts = facts.model_copy(update={"probes": min(2 * facts.probes, facts.lists)})
    measured = found_share(tried.top(sessions[measuring], K)[0], wanted[measuring])
    took = milliseconds(tried, sessions)
    if measured < recall or took > MOST_SHARE * exact_milliseconds:
        raise InputError(
            f"No index of these items is worth it: recall@{K} {measured:.3f} (wanted: {recall}) takes {took:.1f} ms a session "
            f"with {facts.probes} of {facts.lists} clusters, exact search {exact_milliseconds:.1f} ms. Exact search stays in "
            "use."
        )
    return ApproximateIndex(index, facts.model_copy(update={"recall": measured, "milliseconds": took}))


def found_share(lists: ItemArray, wanted: ItemArray) -> float:
    """Recall: the mean share of each row of `wanted` ([b, k] item indices, 0 = none) that the same row of `lists` holds."""
    stride = int(max(lists.max(initial=0), wanted.max(initial=0))) + 1
    rows = stride * np.arange(len(wanted))[:, None]
    return float(np.isin(wanted + rows, (lists + rows)[lists > 0])[wanted > 0].mean())


def milliseconds(ranker: Ranker, sessions: Sequence[Sequence[int]]) -> float:
    """Median time of one session's top 10."""
    times = []
    for session in sessions[:TIMED]:
        started = time.perf_counter()
        ranker.top([session], K)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1000


def _train(vectors: npt.NDArray[np.float32]) -> Any:
    """An inverted file of inner products: about 2 √n clusters, 8 bits a dimension. vectors: [n_items, d]."""
    faiss = load_faiss()
    faiss.omp_set_num_threads(torch.get_num_threads())
    lists = max(1, min(round(2 * len(vectors) ** 0.5), len(vectors) // TRAINING_ROWS))
    index = faiss.index_factory(vectors.shape[1], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    rows = np.random.default_rng(0).permutation(len(vectors))[: TRAINING_ROWS * lists]
    index.train(vectors[np.sort(rows)])
    index.add(vectors)
    return index
