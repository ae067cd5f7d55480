"""Distributions of points of a sphere."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Beta, Distribution, register_kl
from torch.nn.functional import normalize

_TINY = 1e-30


class PowerSpherical(Distribution):
    """q(z) prop. (1 + mu^T z)^k on the sphere of unit vectors (d,), k > 0: batch (B,), event (d,); mu (B, d), k (B,).

    Normalization, entropy and mean have formulas. De Cao & Aziz 2020, https://arxiv.org/abs/2006.04437
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, direction: Tensor, concentration: Tensor) -> None:
        self.direction, self.concentration = direction, concentration
        self.b = (direction.shape[1] - 1) / 2
        self.a = self.b + concentration
        super().__init__(direction.shape[:1], direction.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return (self.concentration / (self.concentration + 2 * self.b))[:, None] * self.direction

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = torch.Size(sample_shape)
        beta = Beta(self.a, torch.full_like(self.a, self.b), validate_args=False)
        t = 2 * beta.rsample(shape)[..., None] - 1
        like = self.direction
        around = normalize(torch.randn(*shape, len(like), like.shape[1] - 1, dtype=like.dtype, device=like.device), dim=-1)
        y = torch.cat([t, (1 - t.square()).clamp_min(_TINY).sqrt() * around], -1)
        # The reflection that takes e1 to mu, which is none where mu is e1 already.
        axis = torch.cat([1 - like[:, :1], -like[:, 1:]], 1)
        along = (axis * y).sum(-1, keepdim=True) / axis.square().sum(1, keepdim=True).clamp_min(_TINY)
        return y - 2 * along * axis

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log q of points (..., B, d), (..., B), as a density on the sphere."""
        along = (value * self.direction).sum(-1)
        return self.log_constant + self.concentration * torch.log1p(along.clamp_min(-1 + 1e-7))

    @property
    def log_constant(self) -> Tensor:
        """Return the log of what the density is normalized by, (B,)."""
        a, b = self.a, self.b
        return -((a + b) * math.log(2) + b * math.log(math.pi) + torch.lgamma(a) - torch.lgamma(a + b))

    def entropy(self) -> Tensor:
        """Return the entropy in nats, (B,)."""
        expected = math.log(2) + torch.digamma(self.a) - torch.digamma(self.a + self.b)
        return -(self.log_constant + self.concentration * expected)


class UniformSphere(Distribution):
    """All points of the sphere are as likely: batch (B,), event (d,), as `like` (B, d)."""

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, like: Tensor) -> None:
        self.like = like
        super().__init__(like.shape[:1], like.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return torch.zeros_like(self.like)

    @property
    def variance(self) -> Tensor:
        return torch.full_like(self.like, 1 / self.like.shape[1])

    @property
    def log_area(self) -> float:
        """Return the log of the sphere's area."""
        d = self.event_shape[0]
        return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        like = self.like
        return normalize(torch.randn(*sample_shape, *like.shape, dtype=like.dtype, device=like.device), dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p of points (..., B, d), (..., B)."""
        return value.new_full(value.shape[:-1], -self.log_area)


@register_kl(PowerSpherical, UniformSphere)
def _from_uniform(p: PowerSpherical, q: UniformSphere) -> Tensor:
    """Return KL(p || q), (B,): the log of the area less the entropy."""
    return q.log_area - p.entropy()
