"""Squared error."""

import torch
from torch import Tensor

from aerun.checks import one_of
from aerun.errors import AerunError
from aerun.model.loss.base import ElementLoss


class Mse(ElementLoss):
    """SE_i = sum_d (x_hat_id - x_id)^2, x_hat = raw (activation: linear) or sigmoid(raw) (data in [0, 1] only).

    The Gaussian log-likelihood with variance 1/2 up to a constant. `mse` per element is a metric, never silently the loss.
    Raises AerunError for a sigmoid output on data that leaves [0, 1].
    """

    def __init__(self, *, activation: str, reduction: str, low: float | None, high: float | None) -> None:
        super().__init__(reduction=reduction)
        self.activation = one_of("model.loss.activation", activation, ("linear", "sigmoid"))
        if activation == "sigmoid" and (low is None or high is None or low < 0 or high > 1):
            raise AerunError(
                "model.loss.activation=sigmoid needs data in [0, 1]; this data set's range is "
                f"[{low}, {high}]. Use model.loss.activation=linear."
            )

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return (self.activate(raw) - x).square()

    def activate(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw) if self.activation == "sigmoid" else raw

    def deactivate(self, x: Tensor) -> Tensor:
        return torch.logit(x, eps=0.01) if self.activation == "sigmoid" else x
