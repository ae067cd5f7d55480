"""The likelihood of grey values between 0 and 1."""

import torch
from torch import Tensor, distributions
from torch.nn.functional import binary_cross_entropy_with_logits

from aerun.metrics.grey import NEAR, log_constant
from aerun.model.loss.base import ElementLoss, refuse_outside_unit
from aerun.vocabulary import wide

_STEPS = 6  # of Newton's method: to the last bits
_EPS = 0.01  # the output starts this far from the ends of the interval, as that of bce does


class ContinuousBernoulli(ElementLoss):
    """NLL_i = -sum_d log p(x_id) in nats, p(x) = C(l) l^x (1 - l)^(1 - x) on [0, 1], l = sigmoid(raw); (B, *S) -> (B,).

    That is bce less log C, log C = log(r / tanh(r / 2)) with r the logit, and what bce lacks to be a likelihood of grey values:
    with it the held-out likelihood and the weight beside a KL divergence mean something. x_hat is the mean of p,
    1 / (1 - exp(-r)) - 1 / r, and not l: at l = 0.9 it is 0.670. `floor` is the value at x_hat = x, which is negative where
    values lie near 0 or 1. Binary data drive r without bound: use bce for them.
    Loaiza-Ganem & Cunningham 2019, https://arxiv.org/abs/1907.06845. Raises AerunError for data outside [0, 1].
    """

    density = "gaussian"
    logits = True

    def __init__(self, *, reduction: str, low: float | None, high: float | None) -> None:
        super().__init__(reduction=reduction)
        refuse_outside_unit("model/loss=continuous_bernoulli", low, high, "model/loss=mse")

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        raw = wide(raw)
        return binary_cross_entropy_with_logits(raw, x.to(raw), reduction="none") - log_constant(raw)

    def activate(self, raw: Tensor) -> Tensor:
        return mean_of(wide(raw)).to(raw.dtype)

    def emit(self, raw: Tensor) -> Tensor:
        return distributions.ContinuousBernoulli(logits=wide(raw)).sample().to(raw.dtype)

    def deactivate(self, x: Tensor) -> Tensor:
        return logit_of(x.clamp(_EPS, 1 - _EPS))

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(self.element(logit_of(x.clamp(1e-4, 1 - 1e-4)), x), valid, seen)


def mean_of(raw: Tensor) -> Tensor:
    """Return the mean of the distribution with logits r: 1 / (1 - exp(-r)) - 1 / r, which is 1/2 at 0."""
    near = raw.abs() < NEAR
    r = torch.where(near, 1.0, raw)
    small = torch.where(near, raw, 0.0)
    return torch.where(near, 0.5 + small / 12 - small**3 / 720 + small**5 / 30240, torch.sigmoid(r) + _rest(r))


def _rest(r: Tensor) -> Tensor:
    """Return the mean less sigmoid(r): 1 / sinh r - 1 / r, without overflow."""
    size = r.abs()
    return r.sign() * (1 / torch.sinh(size.clamp(max=80)) - 1 / size)


@torch.no_grad()
def logit_of(mean: Tensor) -> Tensor:
    """Return the logit whose distribution has this mean, which is above 0 and below 1, by Newton's method.

    It works on |mean - 1/2|, which is concave in |r|. The start is right to first order at both ends.
    """
    excess = (mean.double() - 0.5).abs()
    r = 4 * excess * (3 - 4 * excess.square()) / (1 - 4 * excess.square())
    for _ in range(_STEPS):
        r = (r - (mean_of(r) - 0.5 - excess) / _slope(r)).clamp_min(0)
    return ((mean.double() - 0.5).sign() * r).to(mean.dtype)


def _slope(r: Tensor) -> Tensor:
    """Return the variance, the derivative of the mean by the logit: 1 / r^2 - 1 / (4 sinh(r/2)^2), 1/12 at 0."""
    near = r.abs() < NEAR
    safe = torch.where(near, 1.0, r)
    far = 1 / safe.square() - 1 / (4 * torch.sinh(safe.clamp(max=80) / 2).square())
    return torch.where(near, 1 / 12 - r.square() / 240 + r**4 / 6048, far)
