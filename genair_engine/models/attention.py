"""The transformer that SASRec and BERT4Rec share; they differ in which positions a query may see.

Order of operations as in SASRec's code: the query is normalised, keys and values are not (methods.md 2.1).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.models.backbone import Backbone, xavier


def visible_keys(lengths: Tensor, width: int, padding_from: int | None = None) -> Tensor:
    """Additive attention bias for bidirectional attention: 0 for keys in use, −∞ for padding.

    lengths: [B]; returns [B, 1, 1, width]. With `padding_from` = L, one more key stands for the L − length padding
    positions of the public code, which holds every session in L slots and lets padding take part in the softmax: all its
    keys are equal (the zero vector's), so that one key with bias ln(L − length) takes exactly their share.
    """
    hidden = torch.arange(width, device=lengths.device) >= lengths.unsqueeze(1)  # [B, width]
    bias = torch.zeros(hidden.shape, device=lengths.device).masked_fill(hidden, -torch.inf)
    if padding_from is not None:
        bias = torch.cat([bias, torch.log((padding_from - lengths).unsqueeze(1).float())], dim=1)  # ln 0 = −∞: no padding
    return bias[:, None, None, :]


class Block(nn.Module):
    """Attention and a position-wise feed-forward of width `dim`, each with a residual."""

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

    def attend(self, query: Tensor, context: Tensor, bias: Tensor | None) -> Tensor:
        B, T, D = query.shape
        if bias is not None and bias.shape[-1] > T:  # the key that stands for the public code's padding
            context = F.pad(context, (0, 0, 0, bias.shape[-1] - T))
        q = self.query(query).view(B, T, self.heads, D // self.heads).transpose(1, 2)  # [B, heads, T, D/heads]
        k, v = self.key_value(context).view(B, context.shape[1], 2, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        bias = None if bias is None else bias.to(q.dtype)
        mixed = F.scaled_dot_product_attention(q, k, v, bias, dropout_p=dropout, is_causal=bias is None)
        return self.output(mixed.transpose(1, 2).reshape(B, T, D))

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """[B, T, d]. bias: of `visible_keys`; None = causal attention, which needs no other mask on right-padded rows."""
        q = self.query_norm(x)
        h = self.forward_norm(q + self.attend(q, x, bias))
        return h + self.feed_forward(h)


class Transformer(Backbone):
    """Positions, blocks and a final norm over item vectors.

    heads must divide dim. layers: blocks. dropout: on inputs, attention weights and feed-forward. public_code: attend as the
    paper's public code does, for comparison only (see the backbones).
    """

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

    def encode(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """[B, T, d] states of item vectors ([B, T, d]). bias: as in `Block.forward`."""
        x = self.dropout(x * math.sqrt(self.dim) + self.positions.weight[: x.shape[1]])
        for block in self.blocks:
            x = block(x, bias)
        states: Tensor = self.norm(x)
        return states
