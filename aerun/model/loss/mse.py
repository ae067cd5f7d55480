"""Squared error."""

import torch
from torch import Tensor

from aerun.model.loss.base import ResidualLoss


class Mse(ResidualLoss):
    """SE_i = sum_d (x_hat_id - x_id)^2, x_hat = raw (activation: linear) or sigmoid(raw) (data in [0, 1] only).

    The Gaussian log-likelihood with variance 1/2 up to a constant. `mse` per element is a metric, never silently the loss.
    Raises AerunError for a sigmoid output on data that leaves [0, 1].
    """

    density = "half"

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return self.residual(raw, x).square()

    def emit(self, raw: Tensor) -> Tensor:
        mean = self.activate(raw)
        return mean + 0.5**0.5 * torch.randn_like(mean)
