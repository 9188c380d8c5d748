"""Ranking metrics of one relevant item a user: HR@K, NDCG@K and MRR@K from the rank of the target.

With a single relevant item HR@K equals Recall@K, and the ideal DCG is 1, so that NDCG@K = 1 / log2(rank + 2) inside the
cutoff (methods.md section 1; ranks count from 0).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CUTOFFS = (1, 5, 10, 20, 50)


def hit_rate(ranks: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    """[n] 1.0 where the target is among the first k. ranks: [n] from 0, half ranks where scores tie."""
    return (ranks < k).astype(np.float64)


def ndcg(ranks: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    """[n] normalised discounted cumulative gain at k."""
    return hit_rate(ranks, k) / np.log2(ranks + 2)


def mrr(ranks: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    """[n] reciprocal rank of the target, 0 outside the first k."""
    return hit_rate(ranks, k) / (ranks + 1)


METRICS = {"HR": hit_rate, "NDCG": ndcg, "MRR": mrr}


def metrics(ranks: npt.NDArray[np.float64] | None, cutoffs: tuple[int, ...] = CUTOFFS) -> dict[str, float]:
    """Means over users, keyed "HR@10", "NDCG@10", …; nothing to average (no users, or ranks not taken) gives an empty dict."""
    if ranks is None or len(ranks) == 0:
        return {}
    return {f"{name}@{k}": float(function(ranks, k).mean()) for name, function in METRICS.items() for k in cutoffs}
