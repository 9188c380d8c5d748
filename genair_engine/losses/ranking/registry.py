"""The ranking losses by name, with what each can be told. One line a loss; its class is imported when a training begins."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from pydantic import Field

from genair_engine.options import Options


class SoftmaxOptions(Options):
    """Of the softmax over the whole catalogue."""

    exclude_seen: bool = Field(False, description="items of the history so far do not compete, as in full ranking")


class SampledOptions(Options):
    """Of the softmax over shared negatives."""

    negatives: int = Field(1024, ge=1, le=1_000_000, description="negatives that a step shares [items]")


@dataclass(frozen=True)
class Loss:
    """A ranking loss. implementation: module:class, whose docstring has the equation."""

    name: str
    purpose: str
    implementation: str
    options: type[Options] = Options

    def load(self) -> type:
        """The class, a `RankingLoss`; imports torch."""
        module, _, name = self.implementation.partition(":")
        loss: type = getattr(import_module(module), name)
        return loss


HERE = "genair_engine.losses.ranking"
LOSSES = {
    loss.name: loss
    for loss in (
        Loss("ce", "softmax over the whole catalogue", f"{HERE}.softmax:Softmax", SoftmaxOptions),
        Loss("sampled", "softmax over shared negatives", f"{HERE}.sampled_softmax:SampledSoftmax", SampledOptions),
        Loss("bce", "one negative, as in the public code", f"{HERE}.bce:BCE"),
        Loss("bpr", "one negative, the paper's equation 17", f"{HERE}.bpr:BPR"),
    )
}
