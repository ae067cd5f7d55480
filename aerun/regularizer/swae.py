"""Codes that follow the prior as a set: the sliced Wasserstein distance."""

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import integer
from aerun.model.prior.normal import StandardNormal
from aerun.parts import Regularizer
from aerun.vocabulary import wide


class Swae(Regularizer):
    """Omega = mean over directions t of mean_i (sort(z t)_i - q_i)^2, t random unit vectors; (B, d) or (B, d, *grid) -> scalar.

    q are the quantiles of the prior in that direction: of N(0, I), whose projections are all N(0, 1), the exact ones
    Phi^-1((i - 1/2) / B); of another prior the sorted projections of as many samples, which are twice as noisy. It is 0 where
    every projection of the codes follows the prior's; for codes from N(m, s^2 I) it is ||m||^2 / d + (s - 1)^2, and about
    0.02 by chance at B = 128. Since it is a mean over directions, d times it is of the order of a squared distance: weights
    of 10 d stand beside a squared error. A batch statistic.
    Kolouri et al. 2018, https://arxiv.org/abs/1804.01947. Raises AerunError for fewer than one direction.
    """

    batch_statistic = True

    def __init__(self, *, directions: int) -> None:
        super().__init__()
        self.directions = integer("reg.terms.swae.directions", directions, 1)

    def forward(self, z: Tensor, prior: Distribution) -> Tensor:
        codes = wide(z).flatten(1)
        t = torch.randn(codes.shape[1], self.directions, dtype=codes.dtype, device=codes.device)
        t = t / t.norm(dim=0)
        if isinstance(prior, StandardNormal):
            middle = (torch.arange(len(codes), dtype=codes.dtype, device=codes.device) + 0.5) / len(codes)
            quantiles = torch.special.ndtri(middle)[:, None]
        else:
            quantiles = (wide(prior.sample()).flatten(1) @ t).sort(0).values
        return ((codes @ t).sort(0).values - quantiles).square().mean()
