"""Absolute error."""

from torch import Tensor

from aerun.model.loss.base import ResidualLoss


class L1(ResidualLoss):
    """AE_i = sum_d |x_hat_id - x_id|, shapes (B, *S) -> (B,), in the data's units.

    The Laplace log-likelihood of scale 1 up to a constant: its best constant is the median, so single wild elements do not
    pull it. The gradient of an element that is already right is 0. Raises AerunError for a sigmoid output on data that
    leaves [0, 1].
    """

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return self.residual(raw, x).abs()
