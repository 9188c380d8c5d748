"""What every backbone is: item vectors of sessions in, one state a position out.

Sessions are padded on the right, so that a batch is as wide as its longest session and positions count from a session's
first item. A backbone predicts either the item after each position ("next") or items behind a mask token ("cloze").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A sequence encoder. dim: width of item vectors and states. max_len: most positions it can take."""

    cloze: ClassVar[bool] = False
    """Whether it learns by filling in masked items; it then reads a mask token behind the session to predict."""

    compiles: ClassVar[bool] = True
    """Whether torch.compile makes it faster on a GPU."""

    def __init__(self, dim: int, max_len: int) -> None:
        super().__init__()
        self.dim = dim
        self.max_len = max_len

    @property
    def reads(self) -> int:
        """Most items of a session that a prediction can use."""
        return self.max_len

    @abstractmethod
    def forward(self, x: Tensor, lengths: Tensor, masked: Tensor | None = None) -> Tensor:
        """[B, T, d] states.

        x: [B, T, d] item vectors, oldest first, T ≤ max_len. lengths: [B] positions in use; states behind them are
        meaningless. masked: [B, T] bool, positions that hold the mask token instead (cloze backbones only).
        """

    def last(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[B, d] the state that predicts the item after each session ([B, T, d], T ≤ `reads`, lengths ≥ 1)."""
        return self(x, lengths)[torch.arange(len(x), device=x.device), lengths - 1]


def xavier(module: nn.Module) -> None:
    """The initialisation of SASRec and of the public code: Xavier-normal matrices; biases and norms stay as they are."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
