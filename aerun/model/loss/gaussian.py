"""Gaussian log-likelihood, with a variance of its own."""

import copy
import math

import torch
from torch import Tensor

from aerun.core.checks import at_least, one_of
from aerun.core.facts import valid_weight
from aerun.model.loss.base import ResidualLoss, recorded

_MOMENTUM = 0.1  # of the running average, as in batch norm
_LEAST = 1e-6  # smallest variance: without it the likelihood of a perfect reconstruction is infinite


class Gaussian(ResidualLoss):
    """NLL_i = SE_i / (2 s^2) + (D / 2) log(2 pi s^2) = -log N(x_i; x_hat_i, s^2 I), nats, (B, *S) -> (B,). D: valid elements.

    variance: fixed (s = sigma for good; with the KL at lambda 1 the same trade-off as mse with lambda 2 s^2), or learned, the
    optimal form of sigma-VAE: in training s^2 is the batch's mean squared error per valid element, which minimizes the
    batch's loss; further codes of the same pass (iwae) are judged by the same s^2. The loss is flat in s^2 there, so it is
    held constant for the gradient without changing it (envelope theorem; exactly so for samples of one length). A running
    average of s^2, which starts at sigma^2, is kept and used in validation and evaluation, as in batch norm. s^2 is kept
    above 1e-6. Rybkin, Daniilidis & Levine 2021, https://arxiv.org/abs/2006.13202. `floor` is the value at SE = 0 and the s^2
    of evaluation. Raises AerunError for a sigma below 0.001 and for a sigmoid output on data that leaves [0, 1].
    """

    density = "gaussian"
    watches = ("sigma",)
    variance: Tensor  # s^2 of evaluation, a scalar buffer

    def __init__(
        self, *, variance: str, sigma: float, activation: str, reduction: str, low: float | None, high: float | None
    ) -> None:
        super().__init__(activation=activation, reduction=reduction, low=low, high=high)
        self.learned = one_of("model.loss.variance", variance, ("fixed", "learned")) == "learned"
        self.follows_batches = self.learned
        self.register_buffer("variance", torch.tensor(at_least("model.loss.sigma", sigma, _LEAST**0.5) ** 2))

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the squared error of each element, (B, *S); `forward` makes a likelihood of it."""
        return self.residual(raw, x).square()

    def forward(self, raw: Tensor, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        error = self.element(raw, recorded(x, seen))
        if not (self.learned and self.training):
            return self.reduce(_nll(error, self.variance), valid, seen)
        variance = _of_batch(error.detach(), valid, seen)
        with torch.no_grad():
            self.variance.lerp_(variance.to(self.variance), _MOMENTUM)
        return self.reduce(_nll(error, variance), valid, seen)

    def emit(self, raw: Tensor) -> Tensor:
        mean = self.activate(raw)
        return mean + self.variance.sqrt() * torch.randn_like(mean)

    def of_pass(self, raw: Tensor, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> "Gaussian":
        """Return the loss with the s^2 of this pass held fixed.

        All codes of a pass share one variance; else their weights would be of different densities.
        """
        if not (self.learned and self.training):
            return self
        frozen = copy.copy(self)
        frozen._buffers = {**self._buffers, "variance": _of_batch(self.element(raw, recorded(x, seen)).detach(), valid, seen)}
        frozen.training = False
        return frozen

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(_nll(torch.zeros_like(x), self.variance), valid, seen)

    def watch(self) -> dict[str, Tensor]:
        return {"sigma": self.variance.sqrt()}


@torch.no_grad()
def _of_batch(error: Tensor, valid: Tensor | None, seen: Tensor | None) -> Tensor:
    """Return the mean squared error of valid and seen elements, which minimizes the batch's loss."""
    weight = torch.ones_like(error) * valid_weight(valid, error, seen)
    return ((error * weight).sum() / weight.sum().clamp_min(1)).clamp_min(_LEAST)


def _nll(error: Tensor, variance: Tensor) -> Tensor:
    """Return the negative log-likelihood of each element, from its squared error."""
    return error / (2 * variance) + 0.5 * (2 * math.pi * variance).log()
