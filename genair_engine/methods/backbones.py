"""The backbones by name, with what each can be told. One line a backbone; its module in `models/` is imported with the first
model.

Options of a backbone are its sizes and its task: a backbone that predicts the next item can learn from every position or from
the last one only, one that fills in masked items hides a share of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from genair_engine.options import Options

if TYPE_CHECKING:
    from genair_engine.models.backbone import Backbone


class BackboneOptions(Options):
    """Of every backbone."""

    dim: int = Field(128, ge=4, le=4096, description="width of item vectors and states")
    layers: int = Field(2, ge=1, le=24, description="transformer blocks, or stacked GRUs")
    dropout: float = Field(0.4, ge=0, lt=1, description="dropout probability")
    max_len: int = Field(200, ge=2, le=10_000, description="longest history the model reads [items]")

    def sizes(self) -> dict[str, Any]:
        """Arguments of the backbone's class."""
        return {"dim": self.dim, "max_len": self.max_len, "layers": self.layers, "dropout": self.dropout}


class AttentionOptions(BackboneOptions):
    """Of backbones with attention."""

    heads: int = Field(1, ge=1, le=64, description="attention heads; must divide the width")
    public_code_attention: bool = Field(
        False,
        description="the public code's attention, for comparison only: sasrec without its causal mask (the answer is visible "
        "in training), padding takes part",
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> AttentionOptions:
        if self.dim % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide dim ({self.dim})")
        return self

    def sizes(self) -> dict[str, Any]:
        return super().sizes() | {"heads": self.heads, "public_code": self.public_code_attention}

    def departures(self) -> list[str]:
        return super().departures() + (["padding takes part in attention"] if self.public_code_attention else [])


class NextItemOptions(Options):
    """Of backbones that predict the item after each position."""

    shortcut: bool = Field(
        False,
        description="add to a session's state a direct way from its items, with a free vector an item for what follows it "
        "(our extension)",
    )
    targets: Literal["all", "last"] = Field(
        "all", description="positions that predict their next item: all of a history, or the last only"
    )

    def departures(self) -> list[str]:
        shortcut = ["a shortcut from the items to the state (extension)"] if self.shortcut else []
        last = ["only the last item of a history is a target"] if self.targets == "last" else []
        return shortcut + super().departures() + last


class SASRecOptions(NextItemOptions, AttentionOptions):
    """Of SASRec."""

    def departures(self) -> list[str]:
        departures = super().departures()
        if self.public_code_attention:
            padding = departures.index("padding takes part in attention")
            departures[padding] = "no causal mask, padding takes part in attention"
        return departures


class ClozeOptions(Options):
    """Of backbones that learn by filling in masked items."""

    mask_probability: float = Field(0.6, gt=0, lt=1, description="share of items that the cloze task hides")


class BERT4RecOptions(ClozeOptions, AttentionOptions):
    """Of BERT4Rec."""


class GRU4RecOptions(NextItemOptions, BackboneOptions):
    """Of GRU4Rec."""

    layers: int = Field(1, ge=1, le=24, description="transformer blocks, or stacked GRUs")


@dataclass(frozen=True)
class BackboneEntry:
    """A backbone. implementation: module:class of a `models.Backbone`. presets: name of a preset → the options that it
    gives."""

    name: str
    purpose: str
    implementation: str
    options: type[BackboneOptions]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def build(self, options: BackboneOptions) -> Backbone:
        """The untrained backbone; imports torch."""
        module, _, name = self.implementation.partition(":")
        backbone: Backbone = getattr(import_module(module), name)(**options.sizes())
        return backbone


_PUBLIC_CODE = {"dropout": 0.5, "public_code_attention": True}
_STUDIO = {"dropout": 0.5, "heads": 4}

BACKBONES = {
    backbone.name: backbone
    for backbone in (
        BackboneEntry(
            "sasrec",
            "self-attention, read causally",
            "genair_engine.models.sasrec:SASRec",
            SASRecOptions,
            {"public-code": _PUBLIC_CODE, "studio": _STUDIO | {"shortcut": True}},
        ),
        BackboneEntry(
            "bert4rec",
            "self-attention in both directions, trained by filling in masked items",
            "genair_engine.models.bert4rec:BERT4Rec",
            BERT4RecOptions,
            {"public-code": _PUBLIC_CODE, "studio": _STUDIO},
        ),
        BackboneEntry(
            "gru4rec",
            "a recurrent network",
            "genair_engine.models.gru4rec:GRU4Rec",
            GRU4RecOptions,
            {"public-code": {"dropout": 0.0, "targets": "last"}, "studio": {"dropout": 0.5, "shortcut": True}},
        ),
    )
}
