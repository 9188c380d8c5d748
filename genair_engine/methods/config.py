"""The typed configuration of a model: what it is made of, and nothing about how it is trained.

What a method is in words, and what it needs, stands here too: forms and checks read it without loading torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


@dataclass(frozen=True)
class MethodFacts:
    """What a method is for, whether it reads a representation, and whether its vectors are calibrated.

    projected: an item's vector is a function of its representation, so that an item without interactions has one too.
    """

    purpose: str
    needs_representation: bool
    calibrated: bool
    projected: bool


METHOD_FACTS = {
    "genair": MethodFacts(
        "archetype representation behind a trainable projector, with behavioural calibration (WWW 2026)", True, True, True
    ),
    "genair-id": MethodFacts(
        "GenAIR plus a free vector an item that starts at zero; an extension of ours, not in the paper", True, True, True
    ),
    "llminit": MethodFacts(
        "free vectors that start at the representation's leading components (baseline of the paper)", True, False, False
    ),
    "id": MethodFacts("one free vector an item; the baseline without item content", False, False, False),
}


class ModelConfig(BaseModel):
    """Backbone, method and their sizes; with the data set, the representation and the weights it is the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Literal["sasrec", "bert4rec", "gru4rec"] = Field(
        "sasrec", description="sequence model that reads the item vectors"
    )
    method: Literal["genair", "genair-id", "llminit", "id"] = Field(
        "genair",
        description="where item vectors come from: genair = representation behind a projector (the paper), genair-id = the "
        "same plus a free vector an item (our extension), llminit = free vectors that start at the representation, id = free "
        "vectors",
    )
    without: Literal["prefill", "decoding", "title"] | None = Field(
        None, description="part of the representation that is left out (ablation); by default none"
    )
    scaling: Literal["none", "parts"] = Field(
        "none",
        description="of the representation: none = as PCA left it (the paper), parts = every part divided by its root mean "
        "square",
    )
    dim: int = Field(128, ge=4, le=4096, description="width of item vectors and states")
    layers: int = Field(2, ge=1, le=24, description="transformer blocks, or stacked GRUs")
    heads: int = Field(1, ge=1, le=64, description="attention heads; must divide the width (gru4rec has none)")
    dropout: float = Field(0.4, ge=0, lt=1, description="dropout probability")
    projector_dropout: float = Field(0.0, ge=0, lt=1, description="dropout probability inside the projector (paper: none)")
    shortcut: bool = Field(
        False,
        description="add to a session's state a direct way from its items, with a free vector an item for what follows it "
        "(our extension; not for bert4rec)",
    )
    max_len: int = Field(200, ge=2, le=10_000, description="longest history the model reads [items]")
    public_code_attention: bool = Field(
        False,
        description="the public code's attention, for comparison only: sasrec without its causal mask (the answer is visible "
        "in training), padding takes part",
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> ModelConfig:
        if self.dim % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide dim ({self.dim})")
        if self.public_code_attention and self.backbone == "gru4rec":
            raise ValueError("public_code_attention is about attention, and gru4rec has none: leave it out")
        if self.shortcut and self.backbone == "bert4rec":
            raise ValueError("shortcut does not fit bert4rec: the position that predicts holds a mask token, not an item")
        return self
