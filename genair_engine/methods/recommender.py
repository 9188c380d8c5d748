"""A sequence recommender: an item table and a backbone, scoring items by the dot product with the session's last state."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.catalog.dataset import IntArray, Sequences
from genair_engine.models import ItemTable, SASRec


class SequenceRecommender(nn.Module):
    """Item vectors → session states → scores. `items` and `backbone` share the width d."""

    def __init__(self, items: ItemTable, backbone: SASRec) -> None:
        super().__init__()
        self.items = items
        self.backbone = backbone

    @property
    def n_items(self) -> int:
        return self.items.n_items

    @property
    def max_len(self) -> int:
        return self.backbone.max_len

    def states(self, sessions: Tensor, table: Tensor) -> Tensor:
        """[B, T, d] states of `sessions` ([B, T] rows of `table`, padded with a zero row on the right)."""
        return self.backbone(F.embedding(sessions, table))

    def last_states(self, sessions: Tensor, table: Tensor) -> Tensor:
        """[B, d] state at every session's last item; a session must hold at least one."""
        last = (sessions != 0).sum(dim=1) - 1
        return self.states(sessions, table)[torch.arange(len(sessions), device=sessions.device), last]


class TableScorer:
    """Scores sessions against the whole catalogue with the item table computed once (no gradients).

    Works for any session, whoever it belongs to: nothing here knows training users.
    """

    def __init__(self, model: SequenceRecommender) -> None:
        self.model = model.eval()
        with torch.inference_mode():
            self.table = model.items.all_vectors()  # [n_items + 1, d]

    @torch.inference_mode()
    def score(self, histories: Sequences, users: IntArray) -> Tensor:
        """[len(users), n_items + 1] float32 scores of every item as the next one; column 0 (padding) is meaningless."""
        sessions = torch.from_numpy(histories.padded(users, self.model.max_len)).to(self.table.device)
        return (self.model.last_states(sessions, self.table) @ self.table.T).float()
