"""Behavioural calibration: items repel each other, less so where real users take them together (GenAIR eq. 9–14)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from genair_engine.losses.base import ExtraLoss, Step
from genair_engine.losses.extra.association import Association


class CalibrationLoss(ExtraLoss):
    """Weighted repulsion of the items of a batch, so that vectors made from texts use the space that behaviour needs.

    With S the association score of equation 10, w = exp(−γ S) (eq. 11) and unit vectors e,
    L_cal = mean over i ≠ j of w(i, j) · exp(−t ‖e_i − e_j‖²) (eq. 12, 14), a number in (0, 1].
    The paper's equation 13 and proof drop the constant e^(−2t): α is not portable between the two forms (factor e⁴ ≈ 54.6 at
    t = 2), and this is equation 12.

    Args: association: S of the training part. weight: α. t: temperature of the kernel. gamma: how much taking two items
    together weakens their repulsion; 0 is the uniformity kernel. most_items: more distinct items than this are sampled; every
    pair is as likely as any other, so that the estimate is unbiased.

    Requirements: item vectors that training moves. Pairs are those of the *distinct* targets of the whole batch: the same item
    twice is at distance 0 from itself and says nothing.

    Inputs: vectors [m, d] of the batch's distinct targets, normalised here → scalar.

    Relations to other losses: with γ = 0 it is the uniformity loss of Wang & Isola (ICML 2020) without the logarithm. It has
    no attraction: that is the ranking loss's. `LinearCalibrationLoss` is what the public code computes instead.
    """

    def __init__(self, association: Association, weight: float, t: float, gamma: float, most_items: int) -> None:
        super().__init__("calibration", weight)
        self.association = association
        self.t, self.gamma, self.most_items = t, gamma, most_items

    def forward(self, step: Step) -> Tensor:
        items = sample_at_most(torch.unique(step.every_target), self.most_items)
        return calibration_loss(step.vectors(items), self.association.between(items), self.t, self.gamma)


class LinearCalibrationLoss(ExtraLoss):
    """The public code's deviation from equation 12, for comparison only: L = −mean of w(i, j) ‖e_i − e_j‖².

    Neither exponent nor t, and pairs of positive targets *with* duplicates (methods.md 3.5 #1, #2, #14): far pairs are pushed
    as hard as near ones. Args, requirements and inputs: as `CalibrationLoss`, without t and without a cap.

    Relations to other losses: never the default; a run that has it says so wherever it is shown.
    """

    def __init__(self, association: Association, weight: float, gamma: float) -> None:
        super().__init__("calibration", weight)
        self.association = association
        self.gamma = gamma

    def forward(self, step: Step) -> Tensor:
        items, times = torch.unique(step.every_target, return_counts=True)
        with torch.autocast(step.table.device.type, enabled=False):
            vectors = step.vectors(items).float()
            return linear_calibration_loss(vectors, self.association.between(items), times, self.gamma)


def calibration_loss(vectors: Tensor, association: Tensor, t: float = 2.0, gamma: float = 3.0) -> Tensor:
    """L_cal of equation 14 over the ordered pairs i ≠ j of distinct items: a scalar in (0, 1].

    vectors: [m, d] item vectors, normalised here. association: [m, m] S, symmetric. With γ = 0 it is the uniformity kernel
    of Wang & Isola (2020). Fewer than two items give 0.
    """
    if len(vectors) < 2:
        return vectors.sum() * 0.0
    dtype = torch.promote_types(vectors.dtype, association.dtype)
    with torch.autocast(vectors.device.type, enabled=False):  # an exponent in bf16 would have two digits
        unit = F.normalize(vectors.to(dtype), dim=1)
        loss: Tensor = _MeanKernel.apply(unit, association.to(dtype), t, gamma)  # type: ignore[no-untyped-call]
    return loss


def linear_calibration_loss(vectors: Tensor, association: Tensor, times: Tensor, gamma: float = 4.0) -> Tensor:
    """The public code's deviation from equation 12: −mean of w ‖e_i − e_j‖² over pairs of positive targets with duplicates.

    vectors: [m, d] vectors of the distinct targets, normalised here. association: [m, m] S. times: [m] how often each is a
    target of the batch. Two targets of the same item are at distance 0, so the n(n − 1)/2 pairs of the n = Σ times targets
    need only the m distinct items: items i < j stand for times_i · times_j pairs. Fewer than two targets give 0.
    """
    n = times.sum()
    unit = F.normalize(vectors, dim=1)
    weights = torch.exp(-gamma * association) * (times[:, None] * times)
    squared_distance = 2.0 - 2.0 * (unit @ unit.T)  # [m, m], exact for unit vectors
    return -(weights * squared_distance).sum() / (n * (n - 1)).clamp(min=1)


def sample_at_most(items: Tensor, cap: int, generator: torch.Generator | None = None) -> Tensor:
    """`items` ([m], distinct) or, if there are more than `cap`, a uniform random subset of that size, on their device.

    Every pair is as likely to stay as any other: the calibration loss of the sample is unbiased for that of `items`.
    """
    if len(items) <= cap:
        return items
    return items[torch.randperm(len(items), generator=generator, device=items.device)[:cap]]


class _MeanKernel(torch.autograd.Function):
    """Mean of w(i, j) · exp(−t ‖e_i − e_j‖²) over i ≠ j, with the gradient of proposition 3.1 from one product.

    The kernel is symmetric, so both roles of an item in a pair give the same force; autograd would compute each.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, unit: Tensor, association: Tensor, t: float, gamma: float) -> Tensor:
        m = len(unit)
        # −γ S − t (2 − 2 e_i·e_j): exact for unit vectors, and never above 0.
        exponent = torch.addmm(association, unit, unit.T, beta=-gamma, alpha=2 * t).sub_(2 * t)
        kernel = exponent.exp_().fill_diagonal_(0.0)
        ctx.save_for_backward(unit, kernel)
        ctx.scale = 4 * t / (m * (m - 1))  # type: ignore[attr-defined]
        return kernel.sum() / (m * (m - 1))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        unit, kernel = ctx.saved_tensors  # type: ignore[attr-defined]
        return (kernel @ unit) * (gradient * ctx.scale), None, None, None  # type: ignore[attr-defined]
