"""Mean and covariance of samples, and the best linear answers from them: distances, estimates of what is hidden."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from aerun.metrics.gaps import over_seen

WIDEST = 4096  # features up to which a covariance matrix is formed and inverted; beyond, callers do without one
_RIDGE = 1e-4  # share of the mean variance added to a covariance before it is inverted where it may be singular

Source = Callable[[], Iterator[Tensor]]


@dataclass(frozen=True)
class Moments:
    """Moments of n samples (D,), float64: mean m (D,), covariance S (D, D) with 1/n, fourth = sum_i ||x_i - m||^4."""

    mean: Tensor
    covariance: Tensor
    fourth: float
    count: int

    @property
    def power(self) -> Tensor:
        """Return the second moments E[x x^T], (D, D)."""
        return self.covariance + torch.outer(self.mean, self.mean)

    def shrunk(self) -> Tensor:
        """Return the covariance shrunk towards a multiple of the identity, as far as the number of samples requires.

        It is never singular but for constant data. Ledoit & Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4.
        """
        s, size = self.covariance, len(self.mean)
        mu = float(s.diagonal().mean())
        away = float(s.square().sum()) - size * mu**2  # ||S - mu I||^2
        noise = (self.fourth / self.count - float(s.square().sum())) / self.count
        share = min(max(noise, 0.0), away) / away if away > 0 else 0.0
        return (1 - share) * s + share * mu * torch.eye(size, dtype=s.dtype, device=s.device)


def moments(batches: Source) -> Moments:
    """Return the moments of the samples that `batches()` yields, (B, *S) each.

    The samples are read twice and never held in memory together.
    """
    total, count = torch.zeros(()), 0
    for x in batches():
        total, count = total.to(x.device) + x.flatten(1).double().sum(0), count + len(x)
    mean = total / count
    scatter, fourth = torch.zeros_like(mean[:, None] * mean), 0.0
    for x in batches():
        centred = x.flatten(1).double() - mean
        scatter += centred.t() @ centred
        fourth += float(centred.square().sum(1).square().sum())
    return Moments(mean, scatter / count, fourth, count)


class Mahalanobis:
    """(x - m)^T S^-1 (x - m), S the shrunk covariance; (B, *S) -> (B,). Where nothing ever varied, S is the identity."""

    def __init__(self, moments: Moments) -> None:
        self.mean = moments.mean
        s = moments.shrunk()
        eye = torch.eye(len(s), dtype=s.dtype, device=s.device)
        level = float(s.diagonal().mean())
        s = s if level > torch.finfo(s.dtype).tiny else eye
        factor, failed = torch.linalg.cholesky_ex(s)
        self.factor = torch.linalg.cholesky(s + _RIDGE * level * eye) if int(failed) else factor

    @classmethod
    def restored(cls, mean: Tensor, factor: Tensor) -> Self:
        """Return the one with these two."""
        new = cls.__new__(cls)
        new.mean, new.factor = mean, factor
        return new

    def __call__(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return the squared distances (B,); where `seen` (B, *S) has gaps those of what is seen, D / |seen| times as large.

        They are under the covariance of the seen elements: d^2 = a^T P a - q^T P_hh^-1 q, with P = S^-1, a = x - m where seen,
        0 elsewhere, and q = (P a)_h of what is hidden.
        """
        away = x.flatten(1).double() - self.mean
        whole = self.whitened(x).square().sum(1)
        if seen is None or bool(seen.all()):
            return whole
        precision = torch.cholesky_inverse(self.factor)

        def part(rows: Tensor, there: Tensor) -> Tensor:
            a = away[rows] * there
            pull = a @ precision
            hidden = torch.linalg.cholesky(precision[~there][:, ~there])
            less = torch.linalg.solve_triangular(hidden, pull[:, ~there].t(), upper=False).square().sum(0)
            return ((a * pull).sum(1) - less).clamp_min(0)

        return over_seen(whole, seen.flatten(1), part)

    def whitened(self, x: Tensor) -> Tensor:
        """Return y = L^-1 (x - m), L L^T = S, (B, D): of covariance I where that of x is S."""
        away = x.flatten(1).double() - self.mean
        return torch.linalg.solve_triangular(self.factor, away.t(), upper=False).t()

    def nats(self, x: Tensor) -> Tensor:
        """Return -log N(x; m, S) in nats, (B,)."""
        return (self(x) + 2 * self.factor.diagonal().log().sum() + len(self.mean) * math.log(2 * math.pi)) / 2


@dataclass(frozen=True)
class Noise:
    """What a corruption y of x does to the moments: E[y] (D,) = offset + keep m, Cov(x, y) = keep S, Cov(y) = `covariance`."""

    keep: float
    mean: Tensor
    covariance: Tensor


def added(moments: Moments, variance: float) -> Noise:
    """Return the noise model of y = x + e, with e of this variance and independent of x or at least uncorrelated."""
    eye = torch.eye(len(moments.mean), dtype=moments.mean.dtype, device=moments.mean.device)
    return Noise(1.0, moments.mean, moments.covariance + variance * eye)


def replaced(moments: Moments, p: float, values: tuple[float, ...]) -> Noise:
    """Return the noise model of y = x where each element is, with probability p, replaced by one of `values`.

    All values are equally likely.
    """
    v = torch.tensor(values, dtype=moments.mean.dtype, device=moments.mean.device)
    mean = (1 - p) * moments.mean + p * v.mean()
    covariance = (1 - p) ** 2 * moments.covariance
    variance = (1 - p) * moments.power.diagonal() + p * v.square().mean() - mean.square()
    return Noise(1 - p, mean, covariance - torch.diag(covariance.diagonal()) + torch.diag(variance))


def of_values(moments: Moments, noise: Noise, fill: float, leaders: Tensor) -> Noise:
    """Return the noise model where elements of equal leaders (D,) are replaced by `fill` together: one value's elements."""
    one = leaders[:, None] == leaders
    power = noise.keep * moments.power + (1 - noise.keep) * fill**2
    return replace(noise, covariance=torch.where(one, power - torch.outer(noise.mean, noise.mean), noise.covariance))


class Lmmse:
    """The linear estimate of x from y with the least mean squared error: m + Cov(x, y) Cov(y)^-1 (y - E[y]). (B, *S)."""

    def __init__(self, moments: Moments, noise: Noise) -> None:
        self.mean, self.noise = moments.mean, noise
        eye = torch.eye(len(moments.mean), dtype=moments.mean.dtype, device=moments.mean.device)
        ridge = 1e-9 * noise.covariance.diagonal().mean()
        self.gain = torch.linalg.solve(noise.covariance + ridge * eye, noise.keep * moments.covariance)

    def __call__(self, y: Tensor) -> Tensor:
        estimate = self.mean + (y.flatten(1).double() - self.noise.mean) @ self.gain
        return estimate.to(y.dtype).reshape(y.shape)


class Conditional:
    """E[x_hidden | x_visible] of a Gaussian with these moments: m_h - P_hh^-1 P_hv (x_v - m_v), P the precision matrix.

    The best linear estimate of what a mask hides. A small ridge makes the covariance regular.
    """

    def __init__(self, moments: Moments) -> None:
        s = moments.covariance
        eye = torch.eye(len(s), dtype=s.dtype, device=s.device)
        self.mean = moments.mean
        self.precision = torch.linalg.inv(s + (_RIDGE * s.diagonal().mean() + 1e-12) * eye)

    def __call__(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return x (B, *S) with the elements that `mask` (B, *S) hides filled in; what they hold is not read."""
        hidden = mask.flatten(1)
        away = (x.flatten(1).double() - self.mean).masked_fill(hidden, 0)
        pull = away @ self.precision
        filled = torch.stack([self._one(h, p) for h, p in zip(hidden, pull, strict=True)])
        return torch.where(mask, filled.to(x.dtype).reshape(x.shape), x)

    def _one(self, hidden: Tensor, pull: Tensor) -> Tensor:
        at = hidden.nonzero().flatten()
        filled = self.mean.clone()
        if len(at):
            filled[at] -= torch.cholesky_solve(pull[at, None], torch.linalg.cholesky(self.precision[at][:, at]))[:, 0]
        return filled
