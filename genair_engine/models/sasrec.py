"""SASRec: self-attention over a session, read causally (Kang & McAuley 2018; methods.md 2.1, corrected form).

Differences from the public code that GenAIR's paper used, all on purpose: attention is causal, padding is never attended
to, and batches are as wide as their longest session instead of a fixed 200. Sessions are padded on the right: behind a
causal mask a real position then never sees a pad, so that one mask serves both purposes. `public_code` brings back what
the public code does instead, for comparison only: no causal mask, so that in training the item to be predicted is among
the inputs, and padding that takes its share of the attention.
"""

from __future__ import annotations

from torch import Tensor

from genair_engine.models.attention import Transformer, visible_keys


class SASRec(Transformer):
    """Reads a session causally."""

    def forward(self, x: Tensor, lengths: Tensor, masked: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """[B, T, d] states; state t predicts item t + 1 and (corrected form) depends on items ≤ t only."""
        return self.encode(x, visible_keys(lengths, x.shape[1], padding_from=self.max_len) if self.public_code else None)
