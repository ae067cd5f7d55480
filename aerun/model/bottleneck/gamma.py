"""Gamma distributions of positive units."""

import math

import torch
from torch import Tensor
from torch.distributions import Gamma
from torch.nn.functional import softplus

from aerun.vocabulary import wide

SHAPE, RATE = 2.0, 1.0  # of the prior: mean 2, variance 2, mode 1
LEAST = 1e-6  # smallest mean of a unit
_LOG_SHAPE = (-3.0, 8.0)  # of shapes over the prior's: below, draws vanish in 32 bits; above, 32 bits do not tell log densities


def gamma_of(h: Tensor) -> Gamma:
    """Return q(z|x) of features h (B, 2 d, *grid), of batch (B, d, *grid).

    Gamma(a, a / m) of mean m = 2 softplus(h_1..d) / log 2 and shape a = 2 exp(h_d+1..2d), of variance m^2 / a: where h = 0 it
    is the prior. Draws are exact, with implicit gradients (Figurnov et al. 2018, https://arxiv.org/abs/1805.08498), and so is
    KL(q || p). h_d+1..2d are clamped to [-3, 8].
    """
    mean, log_shape = wide(h).chunk(2, 1)
    mean = SHAPE / RATE * softplus(mean) / math.log(2) + LEAST
    shape = SHAPE * log_shape.clamp(*_LOG_SHAPE).exp()
    return Gamma(shape, shape / mean, validate_args=False)


def gamma_prior(like: Tensor) -> Gamma:
    """Return p(z) = Gamma(2, 1) of each unit, of batch and device of `like`.

    These are the numbers that are usual with such a posterior; those of Naesseth et al. 2017, https://arxiv.org/abs/1610.05683.
    """
    return Gamma(like.new_tensor(SHAPE), torch.tensor(RATE).to(like), validate_args=False).expand(like.shape)
