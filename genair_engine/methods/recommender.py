"""A sequence recommender: an item table and a backbone, scoring items by the dot product with the session's last state."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.catalog.sessions import Sessions
from genair_engine.models import Backbone, ItemTable
from genair_engine.models.batch import Batch
from genair_engine.types import Float32Array


class Shortcut(nn.Module):
    """A direct way from a session's items to its states, past the backbone (an extension of ours).

    s_t = √d (W e_t + Σ_{u ≤ t} 0.7^(t − u) f_u): a matrix W that starts as the identity reads the last item's vector, since
    what comes next often depends on it alone, and free vectors f that start at zero remember what followed each item, as
    transition-kNN does (0.7 is that floor's decay). Dropout on both. Without it the backbone must learn to pass these on.
    """

    DECAY = 0.7

    def __init__(self, n_items: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.scale = math.sqrt(dim)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.last.weight)
        self.follow = nn.Embedding(n_items + 1, dim, padding_idx=0)
        nn.init.zeros_(self.follow.weight)

    def forward(self, x: Tensor, items: Tensor) -> Tensor:
        """[B, T, d]. x: [B, T, d] item vectors; items: [B, T] the items, 0 where none."""
        place = torch.arange(items.shape[1], device=items.device)
        weights = self.DECAY ** (place.unsqueeze(1) - place).clamp(min=0) * (place <= place.unsqueeze(1))  # [T, T], u ≤ t
        remembered = weights.to(x.dtype) @ self.follow(items).to(x.dtype)
        return (self.last(self.dropout(x)) + self.dropout(remembered)) * self.scale


class SequenceRecommender(nn.Module):
    """Item vectors → session states → scores. `items` and `backbone` share the width d.

    shortcut: None, or the dropout probability of a `Shortcut` that is added to the states.
    """

    def __init__(self, items: ItemTable, backbone: Backbone, shortcut: float | None = None) -> None:
        super().__init__()
        self.items = items
        self.backbone = backbone
        self.shortcut = None if shortcut is None else Shortcut(items.n_items, backbone.dim, shortcut)

    @property
    def n_items(self) -> int:
        return self.items.n_items

    @property
    def reads(self) -> int:
        """Most items of a session that a prediction can use."""
        return self.backbone.reads

    def states(self, batch: Batch, rows: Tensor, table: Tensor) -> Tensor:
        """[B, T, d] states of a batch's histories.

        table: [m, d] item vectors; rows: [B, T] where each input's vector stands in it.
        """
        x = F.embedding(rows, table)
        states = self.backbone(x, batch.lengths, batch.masked)
        return states if self.shortcut is None else states + self.shortcut(x, batch.inputs)

    def added_vectors(self) -> list[Tensor]:
        """Free vectors that start at zero and are added to others: they have a weight decay of their own."""
        return self.items.added_vectors() + ([self.shortcut.follow.weight] if self.shortcut is not None else [])

    def last_states(self, sessions: Tensor, table: Tensor) -> Tensor:
        """[B, d] the states that predict what comes next; `sessions`: [B, T] items, padded with 0; `table`: all of them.

        Every session must hold at least one item.
        """
        x, lengths = F.embedding(sessions, table), (sessions != 0).sum(dim=1)
        states = self.backbone.last(x, lengths)
        if self.shortcut is None:
            return states
        return states + self.shortcut(x, sessions)[torch.arange(len(x), device=x.device), lengths - 1]


class TableRecommender:
    """A model as a recommender (`interfaces.DotProduct`), with its item table computed once (no gradients).

    Works for any session, whoever it belongs to: nothing here knows training users.
    """

    def __init__(self, model: SequenceRecommender) -> None:
        self.model = model.eval()
        with torch.inference_mode():
            self._table = model.items.all_vectors()  # [n_items + 1, d]

    @property
    def reads(self) -> int:
        return self.model.reads

    def table(self) -> Tensor:
        """[n_items + 1, d] item vectors; row 0 is padding."""
        return self._table

    @torch.inference_mode()
    def states(self, sessions: Sessions) -> Tensor:
        """[B, d] the states that predict what comes next; every session must hold an item."""
        items = torch.from_numpy(sessions.padded(self.model.reads)).to(self._table.device)
        return self.model.last_states(items, self._table)

    @torch.inference_mode()
    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32 scores of every item as the next one, or [B, m] of `items` ([m]) only."""
        vectors = self._table if items is None else self._table[items]
        return (self.states(sessions) @ vectors.T).float()

    @torch.inference_mode()
    def new_vectors(self, rows: Float32Array) -> Tensor:
        """[m, d] vectors of new items from rows of the representation ([m, D], as the model reads them).

        Raises InputError where item vectors are no function of a representation (tag `ranks_new_items`).
        """
        return self.model.items.from_representation(torch.from_numpy(rows).to(self._table.device))

    @torch.inference_mode()
    def with_row(self, item: int, row: Float32Array) -> TableRecommender:
        """The same with another row of the representation ([D]) for an item; nothing is trained. Raises as `new_vectors`."""
        device = self._table.device
        changed = copy.copy(self)
        changed._table = self._table.clone()
        rows, items = torch.from_numpy(row[None]).to(device), torch.tensor([item], device=device)
        changed._table[item] = self.model.items.from_representation(rows, items)[0]
        return changed

    @torch.inference_mode()
    def with_items(self, vectors: Tensor) -> TableRecommender:
        """The same with m items more ([m, d]) that the model was not trained on: items n_items + 1 … n_items + m.

        They are scored, and may be targets; sessions must not hold them.
        """
        more = copy.copy(self)
        more._table = torch.cat([self._table, vectors.to(self._table)])
        return more
