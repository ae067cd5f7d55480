"""Distributions of whole codes, whose units depend on one another."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.vocabulary import wide

_DRAWS = 4096  # from which the moments of a density are estimated that has no formula for them


class Density(Distribution):
    """The same distribution of codes (d,) for each of B samples: batch (B,), event (d,).

    A subclass defines `log_density` and `draw`.
    """

    arg_constraints = {}  # noqa: RUF012  # torch's name: nothing is validated

    def __init__(self, batch: int, size: int) -> None:
        super().__init__(torch.Size([batch]), torch.Size([size]), validate_args=False)

    @abstractmethod
    def log_density(self, rows: Tensor) -> Tensor:
        """Return log p of codes (n, d), (n,)."""

    @abstractmethod
    def draw(self, n: int) -> Tensor:
        """Return n codes, (n, d)."""

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_density(wide(value).reshape(-1, value.shape[-1])).reshape(value.shape[:-1])

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = (*sample_shape, *self.batch_shape)
        return self.draw(math.prod(shape)).reshape(*shape, *self.event_shape)

    @property
    def mean(self) -> Tensor:
        """Return the mean of each unit, (B, d), from 4,096 draws."""
        return self._drawn().mean(0).expand(*self.batch_shape, -1)

    @property
    def variance(self) -> Tensor:
        """Return the variance of each unit, (B, d), from 4,096 draws."""
        return self._drawn().var(0).expand(*self.batch_shape, -1)

    @torch.no_grad()
    def _drawn(self) -> Tensor:
        return self.draw(_DRAWS)


class GaussianMixture(Density):
    """sum_k pi_k N(m_k, diag s_k^2): centres m and scales s (K, d), log_weights log pi (K,)."""

    def __init__(self, batch: int, centres: Tensor, scales: Tensor, log_weights: Tensor) -> None:
        super().__init__(batch, centres.shape[1])
        self.centres, self.scales, self.log_weights = centres, scales, log_weights

    def log_components(self, rows: Tensor) -> Tensor:
        """Return log pi_k + log N(z; m_k, s_k^2) of codes (n, d), (n, K)."""
        away = ((rows[:, None] - self.centres) / self.scales).square().sum(2)
        constant = self.scales.log().sum(1) + self.centres.shape[1] * math.log(2 * math.pi) / 2
        return self.log_weights - constant - away / 2

    def log_density(self, rows: Tensor) -> Tensor:
        return self.log_components(rows).logsumexp(1)

    def draw(self, n: int) -> Tensor:
        drawn = torch.multinomial(self.log_weights.exp(), n, replacement=True)
        return self.centres[drawn] + self.scales[drawn] * torch.randn_like(self.scales[drawn])

    @property
    def mean(self) -> Tensor:
        return (self.log_weights.exp() @ self.centres).expand(*self.batch_shape, -1)

    @property
    def variance(self) -> Tensor:
        weights = self.log_weights.exp()
        second = weights @ (self.centres.square() + self.scales.square())
        return (second - (weights @ self.centres).square()).expand(*self.batch_shape, -1)
