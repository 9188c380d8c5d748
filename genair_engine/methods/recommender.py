"""A sequence recommender: an item table and a backbone, scoring items by the dot product with the session's last state."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.catalog.dataset import IntArray, Sequences
from genair_engine.models import Backbone, ItemTable


class Shortcut(nn.Module):
    """√d · W dropout(x), with a matrix W that starts as the identity: what follows an item need not be like it."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.scale = math.sqrt(dim)
        self.dropout = nn.Dropout(dropout)
        self.follow = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.follow.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.follow(self.dropout(x)) * self.scale


class SequenceRecommender(nn.Module):
    """Item vectors → session states → scores. `items` and `backbone` share the width d.

    shortcut: None, or the dropout probability of a direct way around the backbone (an extension of ours): a state becomes
    h_t + √d W e_t with the last item's vector e_t and a learned W. What comes next often depends on the last item alone, and
    the backbone need not learn to pass it on.
    """

    def __init__(self, items: ItemTable, backbone: Backbone, shortcut: float | None = None) -> None:
        super().__init__()
        self.items = items
        self.backbone = backbone
        self.shortcut = None if shortcut is None else Shortcut(backbone.dim, shortcut)

    @property
    def n_items(self) -> int:
        return self.items.n_items

    @property
    def reads(self) -> int:
        """Most items of a session that a prediction can use."""
        return self.backbone.reads

    def states(self, sessions: Tensor, table: Tensor, lengths: Tensor, masked: Tensor | None = None) -> Tensor:
        """[B, T, d] states of `sessions` ([B, T] rows of `table`, the first `lengths` of them in use)."""
        x = F.embedding(sessions, table)
        states = self.backbone(x, lengths, masked)
        return states if self.shortcut is None else states + self.shortcut(x)

    def last_states(self, sessions: Tensor, table: Tensor) -> Tensor:
        """[B, d] the states that predict what comes next; `sessions`: [B, T] rows of `table`, padded with row 0.

        Every session must hold at least one item.
        """
        x, lengths = F.embedding(sessions, table), (sessions != 0).sum(dim=1)
        states = self.backbone.last(x, lengths)
        if self.shortcut is None:
            return states
        return states + self.shortcut(x[torch.arange(len(x), device=x.device), lengths - 1])


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
        sessions = torch.from_numpy(histories.padded(users, self.model.reads)).to(self.table.device)
        return (self.model.last_states(sessions, self.table) @ self.table.T).float()
