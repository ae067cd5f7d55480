"""The constant of the density of grey values between 0 and 1 whose logits are known: the continuous Bernoulli."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

NEAR = 0.1  # logits below this: series about 0, where quotients are 0 / 0


def log_constant(raw: Tensor) -> Tensor:
    """Return log C of logits r: log(r / tanh(r / 2)), which is log 2 at 0."""
    near = raw.abs() < NEAR
    size = torch.where(near, 1.0, raw.abs())
    far = size.log() - torch.log(-torch.expm1(-size)) + softplus(-size)  # tanh(r/2) = (1 - e^-r) / (1 + e^-r)
    square = torch.where(near, raw, 0.0).square()
    return torch.where(near, math.log(2) + square / 12 - 7 * square**2 / 1440 + square**3 * 62 / 181440, far)
