"""The typed configuration of a training run: the single source of the CLI's options, the form's fields and their help."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingConfig(BaseModel):
    """Everything that decides a run's result, besides the data set and the representation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Literal["sasrec"] = Field("sasrec", description="sequence model that reads the item vectors")
    method: Literal["genair", "id"] = Field("genair", description="where item vectors come from")
    loss: Literal["ce", "bce", "bpr"] = Field(
        "ce",
        description="ranking loss: ce = softmax over the whole catalogue, bce = one negative as in the public code, "
        "bpr = one negative, the paper's equation 17",
    )
    alpha: float = Field(0.1, ge=0, le=10, description="weight of the calibration loss (0 switches it off)")
    gamma: float = Field(3.0, ge=0, le=20, description="how much co-occurrence weakens repulsion (equation 11)")
    t: float = Field(2.0, gt=0, le=20, description="temperature of the repulsion kernel (equation 12)")
    max_len: int = Field(200, ge=1, le=10_000, description="longest history the model reads [items]")
    dim: int = Field(128, ge=4, le=4096, description="width of item vectors and states")
    layers: int = Field(2, ge=1, le=24, description="transformer blocks")
    heads: int = Field(1, ge=1, le=64, description="attention heads; must divide the width")
    dropout: float = Field(0.4, ge=0, lt=1, description="dropout probability")
    batch_size: int = Field(128, ge=1, le=65_536, description="users a step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's learning rate")
    weight_decay: float = Field(0.0, ge=0, le=1, description="Adam's L2 penalty")
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
    seed: int = Field(42, ge=0, le=2**31 - 1, description="seed of initial weights, batches, negatives and dropout")

    @model_validator(mode="after")
    def _parts_fit(self) -> TrainingConfig:
        if self.dim % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide dim ({self.dim})")
        return self
