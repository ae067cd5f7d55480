"""One Gaussian."""

import math
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from aerun.evaluate.samplers.fit import Fit
from aerun.metrics.moments import moments

_LEAST = 1e-12  # variance of a direction, as a share of the mean one, in the density: a code that never varies there has one


class Gaussian(Fit):
    """N(m, S), m the mean and S the shrunk covariance of the codes; `root` is V sqrt(lambda) of its eigenvectors."""

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.mean, self.covariance = mean, covariance
        self.values, self.vectors = torch.linalg.eigh(covariance)
        self.root = self.vectors * self.values.clamp_min(0).sqrt()

    @classmethod
    def fitted(cls, rows: Tensor, seed: int = 0) -> Self:
        statistics = moments(lambda: iter([rows]))
        return cls(statistics.mean, statistics.shrunk())

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor]) -> Self:
        return cls(arrays["mean"], arrays["covariance"])

    def arrays(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "covariance": self.covariance}

    def draw(self, n: int) -> Tensor:
        return self.mean + torch.randn(n, len(self.root), dtype=self.root.dtype, device=self.root.device) @ self.root.t()

    def log_density(self, rows: Tensor) -> Tensor:
        u, log_det = self.whitened(rows)
        return log_det - (u.square() + math.log(2 * math.pi)).sum(1) / 2

    def whitened(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes with mean 0 and covariance I, and the log of the determinant of that map."""
        deviations = self._deviations
        return (rows - self.mean) @ (self.vectors / deviations), -deviations.log().sum()

    def coloured(self, u: Tensor) -> Tensor:
        """Return the codes that `whitened` maps to u."""
        return self.mean + u @ (self.vectors * self._deviations).t()

    @property
    def _deviations(self) -> Tensor:
        least = _LEAST * float(self.values.mean().clamp_min(torch.finfo(self.values.dtype).tiny))
        return self.values.clamp_min(least).sqrt()
