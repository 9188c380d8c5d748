"""Options of methods with behavioural calibration, and the loss that they ask for (GenAIR eq. 9–14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from genair_engine.methods.base import TrainContext
from genair_engine.options import Options

if TYPE_CHECKING:
    from genair_engine.losses.base import ExtraLoss


class CalibrationOptions(Options):
    """Of the calibration loss, whose equations `losses.extra.calibration` has."""

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

    def unread(self) -> set[str]:
        if self.alpha == 0:
            return super().unread() | {"gamma", "t", "kernel", "window", "count_once", "calibration_items"}
        of_kernel = {"t", "calibration_items"} if self.kernel == "linear" else set()
        of_association = {"window", "count_once"} if self.gamma == 0 else set()
        return super().unread() | of_kernel | of_association

    def departures(self) -> list[str]:
        linear = self.kernel == "linear" and self.alpha > 0
        return super().departures() + (["linear calibration kernel over pairs with duplicates"] if linear else [])


def calibration_losses(context: TrainContext[CalibrationOptions]) -> list[ExtraLoss]:
    """The calibration loss that the options ask for; none with alpha 0, which then costs nothing."""
    from genair_engine.losses.extra.association import Association
    from genair_engine.losses.extra.calibration import CalibrationLoss, LinearCalibrationLoss

    options = context.options
    if options.alpha == 0:
        return []
    dataset = context.dataset
    association = Association(dataset.split.train, dataset.n_items, options.window, options.count_once, context.device)
    if options.kernel == "linear":
        return [LinearCalibrationLoss(association, options.alpha, options.gamma)]
    return [CalibrationLoss(association, options.alpha, options.t, options.gamma, options.calibration_items)]
