"""Where item vectors come from: a trainable ID table, or GenAIR's frozen representation behind a trainable projector.

Every source answers `vectors(ids)` for any ids, so that a training step computes only the items it needs, and a served
model computes all of them once (GenAIR eq. 8; projector as in the public code, methods.md 3.2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.errors import InputError, NonFiniteError
from genair_engine.pca import principal_axes

BLOCK_ROWS = 65_536
"""Items that are projected at once where no gradient is needed: bounds the memory of the hidden layer."""


class ItemTable(nn.Module, ABC):
    """A source of item vectors for items 1…n_items; item 0 is padding and always the zero vector."""

    n_items: int

    @abstractmethod
    def vectors(self, ids: Tensor) -> Tensor:
        """[m, d] vectors of `ids` ([m] int64, 0…n_items). Row of id 0 is zero."""

    @abstractmethod
    def all_vectors(self) -> Tensor:
        """[n_items + 1, d]: row i is item i; row 0 (padding) is zero."""

    def from_representation(self, rows: Tensor, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """[m, d] vectors of items with these rows of a representation ([m, D]): of new ones, or of `items` ([m]) with other
        rows than their own. Raises InputError where item vectors are no function of a representation.
        """
        raise InputError("These item vectors are free: no representation gives an item another one.")

    def added_vectors(self) -> list[Tensor]:
        """Free vectors that start at zero and are added to others; by default none."""
        return []


class IdItems(ItemTable):
    """One free vector an item: what a sequential recommender without item content learns.

    initial: [n_items, dim] to start from (LLMInit), else small random vectors. Small, because a random vector says nothing:
    at a length of 1 what training adds drowns in it (RecBole starts at the same 0.02).
    """

    INITIAL_STD = 0.02

    def __init__(self, n_items: int, dim: int, initial: Tensor | None = None) -> None:
        super().__init__()
        self.n_items = n_items
        self.embedding = nn.Embedding(n_items + 1, dim, padding_idx=0)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0
            self.embedding.weight[1:] = torch.randn(n_items, dim) * self.INITIAL_STD if initial is None else initial

    def vectors(self, ids: Tensor) -> Tensor:
        return self.embedding(ids)

    def all_vectors(self) -> Tensor:
        return _with_padding(self.embedding.weight[1:])


class ProjectedItems(ItemTable):
    """e_i = p_θ(E_i): a frozen representation mapped by a small MLP (GenAIR eq. 8).

    representation: [n_items, D] float; row k belongs to item k + 1. Never trained, and not part of the state dict: a
        checkpoint holds what training changed, the representation is an artifact of its own.
    The projector is Linear(D, 256) → LayerNorm → GELU → dropout (none in the paper) → Linear(256, dim). Raises
    NonFiniteError on NaN or infinity.
    """

    HIDDEN = 256

    representation: Tensor

    def __init__(self, representation: Tensor, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        _require_finite(representation)
        self.n_items = len(representation)
        padding = representation.new_zeros(1, representation.shape[1])
        self.register_buffer("representation", torch.cat([padding, representation]).float(), persistent=False)
        self.projector = nn.Sequential(
            nn.Linear(representation.shape[1], self.HIDDEN),
            nn.LayerNorm(self.HIDDEN),
            nn.GELU(),
            nn.Linear(self.HIDDEN, dim),
        )
        self.dropout = nn.Dropout(dropout)
        # Vectors start at a length of about 1, so that first scores are of order 1 whatever the width: a softmax over
        # thousands of items that starts with scores of order d spends its first epochs on unlearning them.
        last = self.projector[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=(dim * self.HIDDEN) ** -0.5)
        nn.init.zeros_(last.bias)

    def vectors(self, ids: Tensor) -> Tensor:
        return self.project(self.representation[ids]) * (ids != 0).unsqueeze(1)  # p_θ(0) is not zero; padding must be

    def all_vectors(self) -> Tensor:
        rows = self.representation[1:]  # a view: no copy of the representation
        if torch.is_grad_enabled():
            return _with_padding(self.project(rows))
        return _with_padding(torch.cat([self.project(block) for block in rows.split(BLOCK_ROWS)]))

    def from_representation(self, rows: Tensor, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        return self.project(rows)

    def project(self, rows: Tensor) -> Tensor:
        """[m, d] vectors p_θ(E) of representation rows ([m, D]), also of items that are not in the table."""
        projected: Tensor = self.projector[-1](self.dropout(self.projector[:-1](rows)))
        return projected


class ResidualItems(ProjectedItems):
    """e_i = p_θ(E_i) + z_i with a free z_i that starts at zero: content first, and what only behaviour tells on top.

    An extension of ours (`genair-id`), not part of the paper: GenAIR has no free vectors. A new item has none either and is
    ranked by its content alone; an item of the catalogue that nobody took does get one, from being a negative.
    """

    def __init__(self, representation: Tensor, dim: int, dropout: float = 0.0) -> None:
        super().__init__(representation, dim, dropout)
        self.residual = nn.Embedding(self.n_items + 1, dim, padding_idx=0)
        nn.init.zeros_(self.residual.weight)

    def vectors(self, ids: Tensor) -> Tensor:
        return super().vectors(ids) + self.residual(ids)

    def all_vectors(self) -> Tensor:
        return super().all_vectors() + _with_padding(self.residual.weight[1:])

    def from_representation(self, rows: Tensor, items: Tensor | None = None) -> Tensor:
        return self.project(rows) if items is None else self.project(rows) + self.residual(items)

    def added_vectors(self) -> list[Tensor]:
        return [self.residual.weight]


def leading_components(representation: Tensor, dim: int) -> Tensor:
    """[n, dim] the first principal components of the rows ([n, D]), scaled to a root-mean-square length of 1.

    What LLMInit starts from (methods.md 4.4, variant "pca"). At the scale of random vectors (0.23) it is worse by validation:
    these directions say something from the start. Columns beyond the rank are zero. Computed in float64. Raises
    NonFiniteError on NaN or infinity.
    """
    _require_finite(representation)
    rows = representation.numpy()
    mean, _, axes = principal_axes(rows)
    components = (rows - mean) @ axes[:dim].T  # float64
    length = max(float(np.sqrt(np.square(components).sum(axis=1).mean())), float(np.finfo(np.float64).tiny))
    return F.pad(torch.from_numpy(components / length).float(), (0, dim - components.shape[1]))


def _with_padding(vectors: Tensor) -> Tensor:
    return F.pad(vectors, (0, 0, 1, 0))


def _require_finite(representation: Tensor) -> None:
    bad = ~torch.isfinite(representation).all(dim=1)
    if bad.any():
        raise NonFiniteError(f"The representation of item index {int(bad.nonzero()[0]) + 1} is not finite.")
