"""BERT4Rec: the same blocks read in both directions, trained by filling in masked items (Sun et al. 2019; methods.md 2.2).

To predict, a mask token is put behind the session and its state is read. Differences from the public code, on purpose:
padding is never attended to (`public_code` brings that back), and a session is cut so that the mask token never stands
behind the last position that a training row can have.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.models.attention import Block, visible_keys
from genair_engine.models.backbone import Backbone, xavier


class BERT4Rec(Backbone):
    """heads must divide dim. layers: blocks. dropout: on inputs, attention weights and feed-forward."""

    cloze: ClassVar[bool] = True

    def __init__(
        self,
        dim: int = 128,
        max_len: int = 200,
        layers: int = 2,
        heads: int = 1,
        dropout: float = 0.5,
        public_code: bool = False,
    ) -> None:
        super().__init__(dim, max_len)
        self.public_code = public_code
        self.positions = nn.Embedding(max_len, dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, eps=1e-8)
        xavier(self)
        self.mask = nn.Parameter(torch.randn(dim) * dim**-0.5)  # as long as an item vector at the start

    @property
    def reads(self) -> int:
        return self.max_len - 1  # the last position is the mask token's

    def forward(self, x: Tensor, lengths: Tensor, masked: Tensor | None = None) -> Tensor:
        """[B, T, d] states; the state of a masked position predicts the item that stood there."""
        T = x.shape[1]
        if masked is not None:
            x = torch.where(masked.unsqueeze(2), self.mask.to(x.dtype), x)
        bias = visible_keys(lengths, T, padding_from=self.max_len if self.public_code else None)
        x = self.dropout(x * math.sqrt(self.dim) + self.positions.weight[:T])
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)

    def last(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, 1))  # room for the mask token behind the longest session
        masked = torch.arange(x.shape[1], device=x.device) == lengths.unsqueeze(1)
        return self(x, lengths + 1, masked)[masked]
