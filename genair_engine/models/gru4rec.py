"""GRU4Rec: a recurrent network over a session (Hidasi et al. 2016; methods.md 2.3).

As in the public code a GRU without biases whose hidden width is that of the items. Sessions are padded on the right, so
that no state ever passes through padding (in the public code up to 190 padding steps come before the first item).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from genair_engine.models.backbone import Backbone, xavier


class GRU4Rec(Backbone):
    """layers: stacked GRUs. dropout: on inputs and between layers. max_len: longest session, in items."""

    compiles: ClassVar[bool] = False  # its kernel is one already, and the compiler does not look into it

    def __init__(self, dim: int = 128, max_len: int = 200, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(dim, max_len)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(dim, dim, layers, bias=False, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        xavier(self)

    def forward(self, x: Tensor, lengths: Tensor, masked: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """[B, T, d] states; state t predicts item t + 1 and depends on items ≤ t only."""
        with torch.autocast(x.device.type, enabled=False):  # CUDA's recurrent kernels would fall back to float16, not bfloat16
            states, _ = self.gru(self.dropout(x.float()))
        return states
