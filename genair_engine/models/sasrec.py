"""SASRec: self-attention over a session, read causally (Kang & McAuley 2018; methods.md 2.1, corrected form).

Differences from the public code that GenAIR's paper used, all on purpose: attention is causal, padding is never attended
to, and batches are as wide as their longest session instead of a fixed 200. Sessions are padded on the right: behind a
causal mask a real position then never sees a pad, so that one mask serves both purposes. `public_code` brings back what
the public code does instead, for comparison only: no causal mask, so that in training the item to be predicted is among
the inputs, and padding that takes its share of the attention.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from genair_engine.models.attention import Block, visible_keys
from genair_engine.models.backbone import Backbone, xavier


class SASRec(Backbone):
    """heads must divide dim. layers: blocks. dropout: on inputs, attention weights and feed-forward."""

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

    def forward(self, x: Tensor, lengths: Tensor, masked: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """[B, T, d] states; state t predicts item t + 1 and (corrected form) depends on items ≤ t only."""
        T = x.shape[1]
        bias = visible_keys(lengths, T, padding_from=self.max_len) if self.public_code else None
        x = self.dropout(x * math.sqrt(self.dim) + self.positions.weight[:T])
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)
