"""Binary cross-entropy, SASRec's loss and that of the paper's public code."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from genair_engine.losses.base import Step
from genair_engine.losses.ranking.bpr import BPR


class BCE(BPR):
    """Binary cross-entropy: the next item is a yes, an item that the user did not take is a no.

    L = mean(−ln σ(s⁺)) + mean(−ln(1 − σ(s⁻))), s = u · e: the loss of SASRec (Kang & McAuley, ICDM 2018), and what the paper's
    public code uses where the paper writes BPR (methods.md 3.5 #5).

    Requirements and inputs: as `BPR`, with the same negatives.

    Relations to other losses: `BPR` asks for the difference of the scores only. With few negatives BCE is overconfident, as it
    takes a negative's share of the catalogue for one half; `SampledSoftmax` corrects for that.
    """

    def forward(self, step: Step) -> Tensor:
        positive = (step.states * step.vectors(step.targets)).sum(dim=1).float()
        negative = (step.states * step.vectors(step.drawn)).sum(dim=1).float()
        return F.softplus(-positive).mean() + F.softplus(negative).mean()
