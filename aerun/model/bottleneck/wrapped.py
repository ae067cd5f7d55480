"""Normal distributions that are wrapped around hyperbolic space."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.model.bottleneck.hyperbolic import add, distance, exact, from_middle, inside, length, log_growth, toward
from aerun.model.prior.density import Density

_KEPT = 2  # draws whose density is known from the drawing: that of the pass and those of a bound


def log_wrapped(eps: Tensor, log_scale: Tensor, r: Tensor) -> Tensor:
    """Return the log density, by hyperbolic volume, of the point that s eps, a vector of length r (..., 1), leads to; (...)."""
    return _spread(torch.add(log_scale, eps.square(), alpha=0.5).sum(-1), eps.shape[-1], r.squeeze(-1))


def _spread(away: Tensor, d: int, r: Tensor) -> Tensor:
    """Return log density of points at distance r, `away` of which is to be subtracted: all (...)."""
    return -torch.add(away, log_growth(r), alpha=d - 1) - d * math.log(2 * math.pi) / 2


class WrappedNormal(Distribution):
    """The distribution of exp_mu(s eps), eps ~ N(0, I): batch (B,), event (d,); mu (B, d) a point of the ball, s (B, d) > 0.

    q(z) = N(log_mu(z); 0, diag s^2) (r / sinh r)^(d - 1), r the distance from mu to z, is its density by hyperbolic volume.
    That of a tensor that it has drawn itself is known from the drawing. mu and log s are of 64 bits, draws of `dtype`.
    Nagano et al. 2019, https://arxiv.org/abs/1902.02992
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, middle: Tensor, log_scale: Tensor, dtype: torch.dtype) -> None:
        self.middle, self.scale, self.log_scale, self.dtype = middle, log_scale.exp(), log_scale, dtype
        self._known: list[tuple[Tensor, Tensor]] = []  # draws and their log densities
        super().__init__(middle.shape[:1], middle.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Return mu, the point from which squared distances are least."""
        return self.middle.to(self.dtype)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        eps = exact(torch.randn(*sample_shape, *self.scale.shape, dtype=self.dtype, device=self.scale.device))
        u = self.scale * eps
        r = length(u)
        z = add(self.middle, torch.tanh(r / 2) / r * u).to(self.dtype)
        log_density = log_wrapped(eps, self.log_scale, r)
        self._known = [*self._known[1 - _KEPT :], (z, log_density.to(self.dtype))]
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log q of points (..., B, d), (..., B)."""
        for own, log_density in self._known:
            if value is own:
                return log_density
        u = toward(self.middle, exact(value))
        return log_wrapped(u / self.scale, self.log_scale, length(u)).to(value.dtype)


class StandardWrapped(Density):
    """The same about the middle of the ball with s = 1, of the batch, device and type of `like` (B, d)."""

    def __init__(self, like: Tensor) -> None:
        super().__init__(*like.shape)
        self.like = like

    def log_density(self, rows: Tensor) -> Tensor:
        r = distance(exact(rows)).squeeze(-1)
        return _spread(r.square() / 2, rows.shape[-1], r).to(rows.dtype)

    def draw(self, n: int) -> Tensor:
        eps = torch.randn(n, *self.event_shape, dtype=self.like.dtype, device=self.like.device)
        return inside(from_middle(exact(eps))).to(self.like.dtype)
