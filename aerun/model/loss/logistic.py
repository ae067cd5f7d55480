"""The likelihood of bytes: whole numbers, with as many levels as the data have."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from aerun.core.errors import AerunError
from aerun.model.loss.scaled import ScaledLoss
from aerun.vocabulary import wide


class Logistic(ScaledLoss):
    """NLL_i = -sum_d log P(x_id) in nats, P(v) = S((v + h - x_hat) / s) - S((v - h - x_hat) / s); (B, *S) -> (B,).

    S the logistic function, h half a step between levels; the lowest level reaches down to minus infinity and the highest up
    to infinity, so that all levels add up to 1. It is a probability of the stored numbers, so losses of models on one data set
    compare in bits per dimension (`bits`, watched): NLL / (D log 2), at most log2 of the number of levels for a useful model.
    With u, l the two arguments, -log P = softplus(-u) + softplus(l) - log(1 - exp(l - u)), finite at any distance.

    scale: fixed, shared (one s for all elements) or element (each has its own); the latter two follow the scale of greatest
    likelihood of the density that P integrates: s = mean |r| tanh(|r| / 2 s), at least a quarter of a step. sigma: s, or where
    it starts, in units of the data's range. Salimans et al. 2017, https://arxiv.org/abs/1701.05517; Kingma et al. 2016,
    https://arxiv.org/abs/1606.04934. Raises AerunError for data that are not stored as whole numbers between 0 and a unit.
    """

    density = "levels"
    watches = ("sigma", "bits")

    def __init__(
        self,
        *,
        scale: str,
        sigma: float,
        activation: str,
        reduction: str,
        shape: tuple[int, ...],
        stored_unit: float,
        low: float | None,
        high: float | None,
    ) -> None:
        if not (stored_unit > 1 and stored_unit == int(stored_unit) and low == 0 and high == 1):
            raise AerunError(
                "model/loss=logistic needs data stored as whole numbers between 0 and dataset.unit, such as bytes; this data "
                "set's are real numbers. Use model/loss=gaussian, or continuous_bernoulli for data in [0, 1]."
            )
        super().__init__(
            scale=scale,
            sigma=sigma,
            least=0.25 / stored_unit,
            shape=shape,
            activation=activation,
            reduction=reduction,
            low=low,
            high=high,
        )
        self.reach = 0.5 / stored_unit

    def nats(self, residual: Tensor, x: Tensor) -> Tensor:
        upper, lower = (self.reach - residual) / self.sigma, (-self.reach - residual) / self.sigma
        highest, lowest = x > 1 - self.reach, x < self.reach
        ends = softplus(-upper).masked_fill(highest, 0) + softplus(lower).masked_fill(lowest, 0)
        return ends - torch.log(-torch.expm1(-2 * self.reach / self.sigma)) * ~(highest | lowest)

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        """Return the value at x_hat = x; at the ends of the range, which a linear output passes, 0 there."""
        loss = self.element(self.deactivate(x) if self.activation == "linear" else torch.logit(x, eps=1e-6), x)
        ends = (x > 1 - self.reach) | (x < self.reach)
        return self.reduce(loss.masked_fill(ends, 0) if self.activation == "linear" else loss, valid, seen)

    def emit(self, raw: Tensor) -> Tensor:
        mean = self.activate(raw)
        levels = (mean + self.sigma * torch.logit(torch.rand_like(mean), eps=1e-6)) / (2 * self.reach)
        return (levels.round() * 2 * self.reach).clamp(0, 1)

    def best(self, residual: Tensor, weight: Tensor | None) -> Tensor:
        return self.average(residual * torch.tanh(residual / (2 * self.sigma)), weight)

    def watch(  # type: ignore[override]
        self, reconstruction: Tensor, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None
    ) -> dict[str, Tensor]:
        each = wide(reconstruction) / self.reduce(torch.ones_like(x), valid, seen).clamp_min(1)
        return {**super().watch(), "bits": each.mean() / math.log(2)}
