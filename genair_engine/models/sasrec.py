"""SASRec: self-attention over a session, read causally (Kang & McAuley 2018; methods.md 2.1, corrected form).

Differences from the public code that GenAIR's paper used, all on purpose: attention is causal, padding is never attended
to, and batches are as wide as their longest session instead of a fixed 200. Sessions are padded on the right: behind a
causal mask a real position then never sees a pad, so that one mask serves both purposes.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """One transformer block in SASRec's own order: the query is normalised, keys and values are not."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query_norm = nn.LayerNorm(dim, eps=1e-8)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.output = nn.Linear(dim, dim)
        self.forward_norm = nn.LayerNorm(dim, eps=1e-8)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, dim), nn.Dropout(dropout), nn.ReLU(), nn.Linear(dim, dim), nn.Dropout(dropout)
        )

    def attend(self, query: Tensor, context: Tensor) -> Tensor:
        B, T, D = query.shape
        q = self.query(query).view(B, T, self.heads, D // self.heads).transpose(1, 2)  # [B, heads, T, D/heads]
        k, v = self.key_value(context).view(B, T, 2, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(B, T, D))

    def forward(self, x: Tensor) -> Tensor:
        q = self.query_norm(x)
        h = self.forward_norm(q + self.attend(q, x))
        return h + self.feed_forward(h)


class SASRec(nn.Module):
    """Session states from item vectors.

    dim: width of item vectors and states. max_len: longest session, in items. heads must divide dim.
    """

    def __init__(self, dim: int = 128, layers: int = 2, heads: int = 1, dropout: float = 0.5, max_len: int = 200) -> None:
        super().__init__()
        self.dim = dim
        self.max_len = max_len
        self.positions = nn.Embedding(max_len, dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, eps=1e-8)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, d] states; state t predicts item t + 1 and depends on items ≤ t only.

        x: [B, T, d] item vectors, T ≤ max_len, oldest first, padded on the right (pads' states are meaningless).
        """
        x = x * math.sqrt(self.dim) + self.positions.weight[: x.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
