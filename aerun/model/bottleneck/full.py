"""A normal distribution of whole codes, whose units may vary together."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, register_kl


class FullNormal(Distribution):
    """N(mu, L L^T), L lower triangular with a positive diagonal: batch (B,), event (d,); mu (B, d), L (B, d, d)."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, mean: Tensor, lower: Tensor) -> None:
        self.loc, self.lower = mean, lower
        super().__init__(mean.shape[:1], mean.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.lower.square().sum(2)

    @property
    def log_scales(self) -> Tensor:
        """Return log L_jj, (B, d)."""
        return self.lower.diagonal(dim1=1, dim2=2).log()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        eps = torch.randn(*sample_shape, *self.loc.shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + (self.lower @ eps[..., None])[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p of codes (..., B, d), (..., B)."""
        away = (value - self.loc).reshape(-1, *self.loc.shape).permute(1, 2, 0)  # (B, d, draws)
        squares = torch.linalg.solve_triangular(self.lower, away, upper=False).square().sum(1)
        constant = self.log_scales.sum(1) + self.loc.shape[1] * math.log(2 * math.pi) / 2
        return (-constant - squares.t() / 2).reshape(value.shape[:-1])


@register_kl(FullNormal, Normal)
def _from_independent_units(p: FullNormal, q: Normal) -> Tensor:
    """Return KL(p || q) of whole codes, (B,): 1/2 sum_j ((LL^T)_jj + (mu_j - m_j)^2) / s_j^2 - 1/2 + log s_j - log L_jj."""
    squares = (p.variance + (p.loc - q.loc).square()) / q.scale.square()
    return (squares / 2 - 0.5 + q.scale.log() - p.log_scales).sum(1)
