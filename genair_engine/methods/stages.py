"""How long and how fast a model is trained: the options that every run has, and the stages that a method may split it into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from genair_engine.options import Options

Schedule = Literal["constant", "cosine"]


class TrainingOptions(Options):
    """Optimiser, length and seed of a training run, whatever is trained."""

    batch_size: int = Field(128, ge=1, le=65_536, description="histories a step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's learning rate")
    schedule: Schedule = Field(
        "constant",
        description="of the learning rate: cosine rises over the first epoch and falls to zero at the last one of `epochs`",
    )
    weight_decay: float = Field(0.0, ge=0, le=10, description="Adam's decoupled weight decay (AdamW)")
    residual_decay: float = Field(
        0.0,
        ge=0,
        le=100,
        description="decoupled weight decay of free vectors that are added to others (by a method, or by the shortcut)",
    )
    averaging: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="decay of the running average of the weights, which is what is validated and kept (0 = plain weights)",
    )
    epochs: int = Field(200, ge=1, le=100_000, description="most epochs to train")
    patience: int = Field(
        10, ge=1, le=100_000, description="epochs without a better validation NDCG@10 (full ranking) before stopping"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of matrix products while training: auto = bfloat16 on a GPU, float32 on the CPU"
    )
    seed: int = Field(42, ge=0, le=2**31 - 1, description="seed of initial weights, batches, negatives and dropout")


@dataclass(frozen=True)
class Stage:
    """A part of a training with an optimiser and a length of its own, e.g. pretraining, main, repair.

    ranks: whether the ranking loss is part of its objective, beside the method's extra losses for this stage. validates:
    whether it is validated after every epoch, stops early and keeps its best epoch; else it runs all and keeps the last.
    """

    name: str
    epochs: int
    patience: int
    learning_rate: float
    schedule: Schedule
    weight_decay: float
    averaging: float
    ranks: bool = True
    validates: bool = True

    @classmethod
    def main(cls, training: TrainingOptions) -> Stage:
        """The one stage of most methods: what the training options say."""
        return cls(
            name="main",
            epochs=training.epochs,
            patience=training.patience,
            learning_rate=training.learning_rate,
            schedule=training.schedule,
            weight_decay=training.weight_decay,
            averaging=training.averaging,
        )
