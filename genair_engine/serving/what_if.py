"""What if an item had another representation? A trained model's top lists before and after, session by session.

The item's row of the frozen representation is replaced, nothing is trained: its vector changes, and with it the scores of the
item and the states of the sessions that hold it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genair_engine.catalog.sessions import Sessions
from genair_engine.methods.recommender import TableRecommender
from genair_engine.types import Float32Array, IntArray

_BLOCK = 256


@dataclass(frozen=True)
class Lists:
    """Top lists [n, k] (item indices, best first) and the ranks [n] of one item (1 is best; 0: it is in the session)."""

    top: IntArray
    ranks: IntArray


@dataclass(frozen=True)
class WhatIf:
    """before, after: the lists of all sessions. cosine: of the item's two vectors."""

    before: Lists
    after: Lists
    cosine: float


def what_if(recommender: TableRecommender, item: int, row: Float32Array, sessions: Sessions, k: int) -> WhatIf:
    """Ranks after `sessions` with the item's own row of the representation and with `row` ([D]).

    A session's own items are left out of its list; k is cut to what is left in the shortest. Raises InputError where item
    vectors are no function of a representation.
    """
    changed = recommender.with_row(item, row)
    cosine = torch.nn.functional.cosine_similarity(recommender.table()[item], changed.table()[item], dim=0)
    return WhatIf(_lists(recommender, item, sessions, k), _lists(changed, item, sessions, k), float(cosine))


def _lists(recommender: TableRecommender, item: int, sessions: Sessions, k: int) -> Lists:
    longest = int(sessions.histories.lengths.max(initial=0))
    k = max(min(k, len(recommender.table()) - 1 - longest), 1)
    top, ranks = [], []
    for start in range(0, len(sessions), _BLOCK):
        block = sessions.take(np.arange(start, min(start + _BLOCK, len(sessions))))
        scores = recommender.score(block)
        scores = scores.scatter(1, torch.from_numpy(block.padded()).to(scores.device), -torch.inf)
        scores[:, 0] = -torch.inf
        top.append(torch.sort(scores, dim=1, descending=True, stable=True).indices[:, :k].cpu())
        ranks.append(_rank(scores, item).cpu())
    return Lists(torch.cat(top).numpy(), torch.cat(ranks).numpy())


def _rank(scores: Tensor, item: int) -> Tensor:
    own = scores[:, item : item + 1]
    better = (scores > own).sum(dim=1) + (scores[:, :item] == own).sum(dim=1)  # ties go to the smaller index
    return torch.where(own.squeeze(1) == -torch.inf, 0, better + 1)
