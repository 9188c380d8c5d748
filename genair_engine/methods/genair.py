"""GenAIR: the archetype representation behind a trainable projector, grounded by behavioural calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from genair_engine.methods.base import ITEM_PARTS, BuildContext, Method, Presets, Source, Tags, TrainContext
from genair_engine.methods.calibrated import CalibrationOptions, calibration_losses
from genair_engine.methods.item_parts import PartOptions, part_departures
from genair_engine.methods.stages import Stage

if TYPE_CHECKING:
    from genair_engine.losses.base import ExtraLoss


class GenAIROptions(CalibrationOptions, PartOptions):
    """Of GenAIR."""

    projector_dropout: float = Field(0.0, ge=0, lt=1, description="dropout probability inside the projector (paper: none)")

    def departures(self) -> list[str]:
        return (["dropout in the projector"] if self.projector_dropout else []) + super().departures()


class GenAIR(Method[GenAIROptions]):
    """e_i = p_θ(E_i): the frozen representation E of an item's archetype, mapped by a small MLP (eq. 8), with the loss
    L = L_rank + α L_cal (eq. 18)."""

    name = "genair"
    purpose = "archetype representation behind a trainable projector, with behavioural calibration (WWW 2026)"
    source = Source("paper", "GenAIR, WWW 2026")
    options = GenAIROptions
    needs = (ITEM_PARTS,)
    tags = Tags(ranks_new_items=True, calibrated=True)
    presets: ClassVar[Presets] = {
        "public-code": {"kernel": "linear", "gamma": 4.0, "alpha": 1e-4},
        "studio": {"alpha": 0.0, "projector_dropout": 0.2, "scaling": "parts"},
    }
    ablations: ClassVar[Presets] = {"calibration": {"alpha": 0.0}}

    def build(self, context: BuildContext[GenAIROptions]) -> Any:
        from genair_engine.models.items import ProjectedItems

        items = ProjectedItems(context.item_vectors(), context.dim, context.options.projector_dropout)
        return context.sequence_recommender(items)

    def departures(self, options: GenAIROptions, parts: Sequence[str] = ()) -> list[str]:
        return super().departures(options, parts) + part_departures(options, parts)

    def losses(self, context: TrainContext[GenAIROptions], stage: Stage) -> Sequence[ExtraLoss]:  # noqa: ARG002
        return calibration_losses(context)
