"""Distributions of codes in levels, each of which depends on the one above."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, kl_divergence, register_kl

from aerun.model.prior.density import Density
from aerun.model.prior.normal import StandardNormal

Above = Callable[[int, Tensor], Normal]  # the number of a level and the codes (..., B, d) of the one above, to its p


def merged(mean: Tensor, log_variance: Tensor, prior: Normal) -> Normal:
    """Return the normal distribution prop. to p(z) N(z; mean, exp(log_variance)): means by precision, precisions summed."""
    evidence, own = (-log_variance).exp(), prior.scale.square().reciprocal()
    variance = 1 / (evidence + own)
    return Normal(variance * (mean * evidence + prior.loc * own), variance.sqrt(), validate_args=False)


class LevelsPosterior(Distribution):
    """q(z|x) = q(z_L|x) prod_l q(z_l|z_(l+1), x), z = (z_1, ..., z_L): batch (B, d).

    evidence: what each level has of x, mean and log variance (B, d_l), from the first. A draw begins at the top and goes down;
    log_prob finds each level's distribution anew from the codes that are asked for. Its divergence is that of each unit from
    the prior given the level above, along the first draw.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, evidence: Sequence[tuple[Tensor, Tensor]], above: Above) -> None:
        self.evidence, self.above = list(evidence), above
        self.widths = [m.shape[1] for m, _ in evidence]
        self.path: list[tuple[Normal, Normal]] = []  # q and p of each level, along the first draw
        super().__init__(evidence[0][0].shape[:1] + torch.Size([sum(self.widths)]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Return the code of use: means all the way down, (B, d)."""
        return self._down(lambda q: q.loc)[0]

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        first = (*sample_shape, self.batch_shape[0])

        def draw(q: Normal) -> Tensor:
            return q.loc + q.scale * torch.randn(*first, q.loc.shape[-1], dtype=q.loc.dtype, device=q.loc.device)

        z, path = self._down(draw)
        self.path = self.path or path
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log q of each unit of codes (..., B, d), given the level above."""
        parts = value.split(self.widths, -1)
        each = []
        for level, z in enumerate(parts):
            q, _ = self._conditional(level, parts[level + 1] if level + 1 < len(parts) else None)
            each.append(q.log_prob(z))
        return each[0] if len(each) == 1 else torch.cat(each, -1)

    def kl_by_level(self) -> list[Tensor]:
        """Return KL(q || p) of each unit, (B, d_l) of each level from the first, along the first draw."""
        return [kl_divergence(q, p) for q, p in self.path]

    def _conditional(self, level: int, above: Tensor | None) -> tuple[Normal, Normal]:
        """Return q and p of a level given the codes of the level above; None at the top."""
        mean, log_variance = self.evidence[level]
        if above is None:
            return Normal(mean, (log_variance / 2).exp(), validate_args=False), StandardNormal(mean)
        p = self.above(level, above)
        return merged(mean, log_variance, p), p

    def _down(self, choose: Callable[[Normal], Tensor]) -> tuple[Tensor, list[tuple[Normal, Normal]]]:
        z: list[Tensor] = []
        path: list[tuple[Normal, Normal]] = []
        for level in reversed(range(len(self.evidence))):
            q, p = self._conditional(level, z[0] if z else None)
            z, path = [choose(q), *z], [(q, p), *path]
        return (z[0] if len(z) == 1 else torch.cat(z, -1)), path


class LevelsPrior(Density):
    """p(z) = N(z_L; 0, I) prod_l p(z_l|z_(l+1)): batch (B,), event (d,), as `like` (B, d)."""

    def __init__(self, like: Tensor, widths: Sequence[int], above: Above) -> None:
        super().__init__(len(like), like.shape[1])
        self.like, self.widths, self.above = like, list(widths), above

    def log_density(self, rows: Tensor) -> Tensor:
        parts = rows.split(self.widths, 1)
        total = StandardNormal(parts[-1]).log_prob(parts[-1]).sum(1)
        for level, z in enumerate(parts[:-1]):
            total = total + self.above(level, parts[level + 1]).log_prob(z).sum(1)
        return total

    def draw(self, n: int) -> Tensor:
        z = [torch.randn(n, self.widths[-1], dtype=self.like.dtype, device=self.like.device)]
        for level in reversed(range(len(self.widths) - 1)):
            p = self.above(level, z[0])
            z = [p.loc + p.scale * torch.randn_like(p.loc), *z]
        return torch.cat(z, 1)


@register_kl(LevelsPosterior, LevelsPrior)
def _along_the_draw(p: LevelsPosterior, q: LevelsPrior) -> Tensor:
    """Return the divergence of each unit, (B, d)."""
    each = p.kl_by_level()
    return each[0] if len(each) == 1 else torch.cat(each, 1)
