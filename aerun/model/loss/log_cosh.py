"""Squared where small, absolute where large, and smooth everywhere."""

import math

from torch import Tensor
from torch.nn.functional import softplus

from aerun.core.checks import at_least
from aerun.model.loss.base import ResidualLoss
from aerun.vocabulary import wide


class LogCosh(ResidualLoss):
    """sum_d l(r_d), r = x_hat - x: l(r) = log cosh(a r) / a, a = `sharpness`; (B, *S) -> (B,).

    About a r^2 / 2 where |r| is well below 1 / a, and |r| - log(2) / a where it is well above: with a = 2 a small residual
    counts as in mse, with a large a it is l1 with a slope at 0. Computed as |r| + (softplus(-2 a |r|) - log 2) / a, which no
    residual overflows. Chen et al. 2019, https://openreview.net/forum?id=rkglvsC9Ym (a = 10 there, in most programs too).
    Raises AerunError for a sharpness that is not above 0 and for a sigmoid output on data that leaves [0, 1].
    """

    def __init__(self, *, sharpness: float, activation: str, reduction: str, low: float | None, high: float | None) -> None:
        super().__init__(activation=activation, reduction=reduction, low=low, high=high)
        self.sharpness = at_least("model.loss.sharpness", sharpness, 1e-3)

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        size = wide(self.residual(raw, x)).abs()
        return size + (softplus(-2 * self.sharpness * size) - math.log(2)) / self.sharpness
