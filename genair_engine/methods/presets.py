"""Presets: named sets of values for what a request leaves open.

Backbones and methods say themselves what a preset gives to their options (`BackboneEntry.presets`, `Method.presets`). Here
stands what it gives to the training, which loss it takes, and which method where none is named.

public-code: methods.md 2 and 8. Not brought back: rows put into the item table at the wrong place, ties in favour of the
target, GRU states that pass through padding (errors, not choices); its initial vectors, and early stopping on 100 negatives
instead of full ranking. studio: the recipe with the best validation NDCG@10 that was found on amazon-scientific
(benchmarks/README.md), with our extensions; only its sasrec has been searched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """values: of the training's and the loss's options. of_backbone: the same, for one backbone only, over `values`."""

    name: str
    purpose: str
    method: str = "genair"
    loss: str = "ce"
    values: Mapping[str, Any] = field(default_factory=dict)
    of_backbone: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("corrected", "the paper, where its public code departs from it"),
        Preset(
            "public-code",
            "as the paper's public code does it (bce, linear calibration kernel, gamma 4, its attention), for comparison only",
            loss="bce",
            values={"averaging": 0.0, "epochs": 50, "patience": 20},
        ),
        Preset(
            "studio",
            "our best recipe, with our extensions",
            method="genair-id",
            values={
                "exclude_seen": True,
                "batch_size": 256,
                "learning_rate": 2e-3,
                "schedule": "cosine",
                "weight_decay": 0.1,
                "residual_decay": 2.0,
                "averaging": 0.95,
                "epochs": 12,
                "patience": 12,
            },
            of_backbone={"bert4rec": {"epochs": 25}},
        ),
    )
}
