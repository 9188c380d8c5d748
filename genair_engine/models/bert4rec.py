"""BERT4Rec: the same blocks read in both directions, trained by filling in masked items (Sun et al. 2019; methods.md 2.2).

To predict, a mask token is put behind the session and its state is read. Differences from the public code, on purpose:
padding is never attended to (`public_code` brings that back), and a session is cut so that the mask token never stands
behind the last position that a training row can have.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.models.attention import Transformer, visible_keys


class BERT4Rec(Transformer):
    """Reads a session in both directions; arguments as in `Transformer`."""

    cloze: ClassVar[bool] = True

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.mask = nn.Parameter(torch.randn(self.dim) * self.dim**-0.5)  # as long as an item vector at the start

    @property
    def reads(self) -> int:
        return self.max_len - 1  # the last position is the mask token's

    def forward(self, x: Tensor, lengths: Tensor, masked: Tensor | None = None) -> Tensor:
        """[B, T, d] states; the state of a masked position predicts the item that stood there."""
        if masked is not None:
            x = torch.where(masked.unsqueeze(2), self.mask.to(x.dtype), x)
        return self.encode(x, visible_keys(lengths, x.shape[1], padding_from=self.max_len if self.public_code else None))

    def last(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, 1))  # room for the mask token behind the longest session
        masked = torch.arange(x.shape[1], device=x.device) == lengths.unsqueeze(1)
        return self(x, lengths + 1, masked)[masked]
