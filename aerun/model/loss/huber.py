"""Squared where small, absolute where large."""

from torch import Tensor
from torch.nn.functional import huber_loss

from aerun.core.checks import at_least
from aerun.model.loss.base import ResidualLoss


class Huber(ResidualLoss):
    """sum_d l(r_d), r = x_hat - x: l(r) = r^2 / 2 where |r| <= delta, delta (|r| - delta / 2) beyond. (B, *S) -> (B,).

    `delta` is in the data's units. Below it this is HALF the squared error, so the trade-off of model/loss=mse needs half its
    lambda; far below the errors it is delta times the absolute error.
    Huber 1964, https://doi.org/10.1214/aoms/1177703732. Raises AerunError for a delta that is not above 0 and for a
    sigmoid output on data that leaves [0, 1].
    """

    def __init__(self, *, delta: float, activation: str, reduction: str, low: float | None, high: float | None) -> None:
        super().__init__(activation=activation, reduction=reduction, low=low, high=high)
        self.delta = at_least("model.loss.delta", delta, 1e-6)

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return huber_loss(self.activate(raw), x, reduction="none", delta=self.delta)
