"""A normal distribution of units by themselves, bent by invertible steps that differ from sample to sample."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

_KEPT = 2  # draws whose density is known without a way back: that of the pass and those of a bound


class Steps(ABC):
    """An invertible map of codes z (..., B, d), the parameters of each of B samples its own."""

    @abstractmethod
    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(z), (..., B, d), and log |det df/dz|, (..., B)."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Tensor:
        """Return the codes that f maps to z, (..., B, d)."""


class BentNormal(Distribution):
    """The distribution of f(mu + s eps), eps ~ N(0, I): batch (B,), event (d,).

    log_prob of a tensor that it has drawn itself is known from the drawing; of other codes f is inverted. `mean` is f(mu), the
    code of use, which stands for the mean of the distribution: that has no formula.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, mean: Tensor, scale: Tensor, steps: Steps) -> None:
        self.loc, self.scale, self.steps = mean, scale, steps
        self._known: list[tuple[Tensor, Tensor]] = []  # draws and their log densities
        super().__init__(mean.shape[:1], mean.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.steps.forward(self.loc)[0]

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        eps = torch.randn(*sample_shape, *self.loc.shape, dtype=self.loc.dtype, device=self.loc.device)
        z, log_det = self.steps.forward(self.loc + self.scale * eps)
        self._known = [*self._known[1 - _KEPT :], (z, self._log_normal(eps) - log_det)]
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p of codes (..., B, d), (..., B)."""
        for own, log_density in self._known:
            if value is own:
                return log_density
        before = self.steps.inverse(value)
        return self._log_normal((before - self.loc) / self.scale) - self.steps.forward(before)[1]

    def _log_normal(self, eps: Tensor) -> Tensor:
        """Return log N(mu + s eps; mu, s^2), (..., B)."""
        return -(eps.square() / 2 + self.scale.log() + math.log(2 * math.pi) / 2).sum(-1)
