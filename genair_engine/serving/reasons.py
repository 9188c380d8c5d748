"""Why an item is recommended after a session: how much each item of the session pushes it up (leave-one-out)."""

from __future__ import annotations

import numpy as np
import torch

from genair_engine.catalog.sessions import Sessions
from genair_engine.interfaces import Recommender
from genair_engine.types import Float64Array, IntArray


def leave_one_out(recommender: Recommender, session: IntArray, items: IntArray) -> tuple[Float64Array, Float64Array]:
    """Scores of items [k] after a session [L], and [L, k] by how much each falls when one item leaves the session.

    Exact, in one call: an item that leaves makes room for an older one where the session is longer than the recommender
    reads; items that it does not read contribute 0. Contributions need not add up to the score. The only item of a session
    has 0: what is left without it is no session.
    """
    length, reads = len(session), recommender.reads or len(session)
    window = min(length, reads) if length > 1 else 0
    tail = session[-(reads + 1) :]
    rows = np.broadcast_to(tail, (window, len(tail)))
    left_out = np.arange(len(tail)) == np.arange(len(tail) - window, len(tail))[:, None]
    shorter = rows[~left_out].reshape(window, -1) if window else np.empty((0, 0), dtype=np.int64)
    scores = recommender.score(Sessions.from_lists([tail, *shorter]), torch.from_numpy(items)).double().cpu().numpy()
    without = np.zeros((length, len(items)))
    without[length - window :] = scores[0] - scores[1:]
    return scores[0], without
