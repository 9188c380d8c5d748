"""BPR, the paper's ranking loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from genair_engine.catalog.sequences import Sequences
from genair_engine.losses.base import RankingLoss, Step
from genair_engine.losses.ranking.negatives import NegativeSampler
from genair_engine.options import Options


class BPR(RankingLoss[Options]):
    """Bayesian personalised ranking: the next item shall score above one that the user did not take.

    L = −mean ln σ(s⁺ − s⁻), s = u · e: the loss of GenAIR's equation 17 (Rendle et al., UAI 2009). Only the difference of the
    two scores counts, so that it says nothing about their size.

    Requirements: a negative for each position, which is drawn uniformly from the items that the user has not taken in
    training.

    Inputs: states [P, d], positives [P, d], negatives [P, d] → scalar.

    Relations to other losses: `BCE` has the same inputs and pulls each score to its side on its own. `SampledSoftmax` compares
    with many negatives at once, `Softmax` with the whole catalogue; both learn faster from the same number of epochs.
    """

    def __init__(self, options: Options, train: Sequences, n_items: int, device: torch.device) -> None:
        super().__init__(options, train, n_items, device)
        self.sampler = NegativeSampler(train, n_items, device)

    def draw(self, users: Tensor) -> Tensor:
        return self.sampler.draw(users)

    def forward(self, step: Step) -> Tensor:
        difference = step.vectors(step.targets) - step.vectors(step.drawn)
        return -F.logsigmoid((step.states * difference).sum(dim=1).float()).mean()
