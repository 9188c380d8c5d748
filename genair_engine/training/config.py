"""The typed configuration of a training run: the single source of the CLI's options, the form's fields and their help."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from genair_engine.methods.config import METHOD_FACTS, ModelConfig

BACKBONE_DEFAULTS: dict[str, dict[str, Any]] = {"gru4rec": {"layers": 1}}
"""Where a backbone's default is not the field's."""

_PUBLIC_CODE: dict[str, Any] = {
    "loss": "bce",
    "kernel": "linear",
    "gamma": 4.0,
    "dropout": 0.5,
    "alpha": 1e-4,
    "averaging": 0.0,
    "epochs": 50,
    "patience": 20,
}
_STUDIO: dict[str, Any] = {
    "method": "genair-id",
    "loss": "ce",
    "alpha": 0.0,
    "dropout": 0.5,
    "projector_dropout": 0.2,
    "scaling": "parts",
    "exclude_seen": True,
    "batch_size": 256,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "weight_decay": 0.1,
    "residual_decay": 2.0,
    "averaging": 0.95,
    "epochs": 12,
    "patience": 12,
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "corrected": {"sasrec": {}, "bert4rec": {}, "gru4rec": {}},
    "public-code": {
        "sasrec": _PUBLIC_CODE | {"public_code_attention": True},
        "bert4rec": _PUBLIC_CODE | {"public_code_attention": True},
        "gru4rec": _PUBLIC_CODE | {"dropout": 0.0, "targets": "last"},
    },
    "studio": {
        "sasrec": _STUDIO | {"heads": 4, "shortcut": True},
        "bert4rec": _STUDIO | {"heads": 4, "epochs": 25},
        "gru4rec": _STUDIO | {"shortcut": True},
    },
}
"""Values that a preset gives to fields which are not given, by backbone.

public-code: methods.md 2 and 8. studio: the recipe with the best validation NDCG@10 that was found on amazon-scientific
(benchmarks/README.md), with our extensions; only its sasrec has been searched.

Of the public code not brought back: rows put into the item table at the wrong place, ties in favour of the target, GRU
states that pass through padding (errors, not choices); its initial vectors, and early stopping on 100 negatives instead of
full ranking.
"""


class TrainingConfig(ModelConfig):
    """Everything that decides a run's result, besides the data set and the representation."""

    preset: Literal["corrected", "public-code", "studio"] = Field(
        "corrected",
        description="defaults for fields that are not given: public-code = as the paper's public code does it (bce, linear "
        "calibration kernel, gamma 4, its attention), for comparison only; studio = our best recipe, with our extensions",
    )
    loss: Literal["ce", "sampled", "bce", "bpr"] = Field(
        "ce",
        description="ranking loss: ce = softmax over the whole catalogue, sampled = softmax over shared negatives, "
        "bce = one negative as in the public code, bpr = one negative, the paper's equation 17",
    )
    exclude_seen: bool = Field(
        False, description="with loss ce: items of the history so far do not compete, as in full ranking"
    )
    negatives: int = Field(1024, ge=1, le=1_000_000, description="negatives a step shares with loss sampled [items]")
    targets: Literal["all", "last"] = Field(
        "all", description="positions that predict their next item: all of a history, or the last only (not for bert4rec)"
    )
    mask_probability: float = Field(0.6, gt=0, lt=1, description="share of items that bert4rec's cloze task hides")
    alpha: float = Field(0.1, ge=0, le=10, description="weight of the calibration loss (0 switches it off)")
    gamma: float = Field(3.0, ge=0, le=20, description="how much co-occurrence weakens repulsion (equation 11)")
    t: float = Field(2.0, gt=0, le=20, description="temperature of the repulsion kernel (equation 12)")
    kernel: Literal["exp", "linear"] = Field(
        "exp", description="calibration kernel: exp = equation 12 over distinct items, linear = the public code's"
    )
    window: int | None = Field(
        None, ge=1, description="items at most this many positions apart count as taken together; by default any two"
    )
    count_once: bool = Field(False, description="a user counts a pair of items once, however often they were taken")
    calibration_items: int = Field(
        4096, ge=2, le=65_536, description="most distinct items of a step that kernel exp calibrates, at random beyond"
    )
    batch_size: int = Field(128, ge=1, le=65_536, description="histories a step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's learning rate")
    schedule: Literal["constant", "cosine"] = Field(
        "constant",
        description="of the learning rate: cosine rises over the first epoch and falls to zero at the last one of `epochs`",
    )
    weight_decay: float = Field(0.0, ge=0, le=10, description="Adam's decoupled weight decay (AdamW)")
    residual_decay: float = Field(
        0.0, ge=0, le=100, description="decoupled weight decay of the free vectors that genair-id and the shortcut add"
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

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Defaults that depend on the backbone and the preset, for fields that are not given."""
        if not isinstance(given, dict):
            return given
        backbone = str(given.get("backbone", "sasrec"))
        preset = PRESETS.get(str(given.get("preset", "corrected")), {}).get(backbone, {})
        filled = BACKBONE_DEFAULTS.get(backbone, {}) | preset | given
        if "exclude_seen" not in given and filled.get("loss", "ce") != "ce":
            filled.pop("exclude_seen", None)  # a preset's, and only for ce
        return filled

    @model_validator(mode="after")
    def _losses_fit(self) -> TrainingConfig:
        if self.backbone == "bert4rec" and self.targets == "last":
            raise ValueError("targets last does not fit bert4rec: its cloze task hides items anywhere in a history")
        if self.exclude_seen and self.loss != "ce":
            raise ValueError(f"exclude_seen is for loss ce, not for {self.loss}, whose negatives are drawn: leave it out")
        return self

    def unread(self) -> set[str]:
        """Fields that this backbone, method and loss do not read: another value there trains the same."""
        facts = METHOD_FACTS[self.method]
        calibrates = facts.calibrated and self.alpha > 0
        read = {
            "without": facts.needs_representation,
            "scaling": facts.needs_representation,
            "projector_dropout": self.method in ("genair", "genair-id"),
            "residual_decay": self.method == "genair-id" or self.shortcut,
            "heads": self.backbone != "gru4rec",
            "public_code_attention": self.backbone != "gru4rec",
            "shortcut": self.backbone != "bert4rec",
            "targets": self.backbone != "bert4rec",
            "mask_probability": self.backbone == "bert4rec",
            "exclude_seen": self.loss == "ce",
            "negatives": self.loss == "sampled",
            "alpha": facts.calibrated,
            "gamma": calibrates,
            "kernel": calibrates,
            "window": calibrates,
            "count_once": calibrates,
            "t": calibrates and self.kernel == "exp",
            "calibration_items": calibrates and self.kernel == "exp",
        }
        return {name for name, is_read in read.items() if not is_read}

    def deviations(self) -> list[str]:
        """Where this is not the paper's model in its correct form, in words: the public code's ways, and our extensions."""
        found = []
        if self.method == "genair-id":
            found.append("a free vector an item beside the projector (extension)")
        if self.shortcut:
            found.append("a shortcut from the items to the state (extension)")
        if self.projector_dropout:
            found.append("dropout in the projector")
        if self.scaling == "parts":
            found.append("parts of the representation on one scale")
        if self.public_code_attention:
            causal = "no causal mask, " if self.backbone == "sasrec" else ""
            found.append(f"{causal}padding takes part in attention")
        if self.kernel == "linear" and self.alpha > 0 and METHOD_FACTS[self.method].calibrated:
            found.append("linear calibration kernel over pairs with duplicates")
        if self.targets == "last":
            found.append("only the last item of a history is a target")
        return found
