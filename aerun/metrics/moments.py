"""Mean and covariance of samples, and what is best linearly: distances, estimates of what noise or a hole has hidden."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

WIDEST = 4096  # features up to which a covariance matrix is formed and inverted; beyond, whoever needs one goes without
_RIDGE = 1e-4  # share of the mean variance added to a covariance before it is inverted where it may be singular

Source = Callable[[], Iterator[Tensor]]


@dataclass(frozen=True)
class Moments:
    """Of n samples (D,), float64: mean m (D,), covariance S (D, D) with 1/n, fourth = sum_i ||x_i - m||^4."""

    mean: Tensor
    covariance: Tensor
    fourth: float
    count: int

    @property
    def power(self) -> Tensor:
        """Return second moments E[x x^T], (D, D)."""
        return self.covariance + torch.outer(self.mean, self.mean)

    def shrunk(self) -> Tensor:
        """Return the covariance drawn towards a multiple of the identity, as far as the number of samples asks for.

        Never singular but for constant data. Ledoit & Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4.
        """
        s, size = self.covariance, len(self.mean)
        mu = float(s.diagonal().mean())
        away = float(s.square().sum()) - size * mu**2  # ||S - mu I||^2
        noise = (self.fourth / self.count - float(s.square().sum())) / self.count
        share = min(max(noise, 0.0), away) / away if away > 0 else 0.0
        return (1 - share) * s + share * mu * torch.eye(size, dtype=s.dtype, device=s.device)


def moments(batches: Source) -> Moments:
    """Of the samples that `batches()` yields, (B, *S) each, read twice and never held together."""
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
    """(x - m)^T S^-1 (x - m), S the shrunk covariance; (B, *S) -> (B,)."""

    def __init__(self, known: Moments) -> None:
        self.mean = known.mean
        s = known.shrunk()
        floor = _RIDGE * float(s.diagonal().mean()) + torch.finfo(s.dtype).tiny
        eye = torch.eye(len(s), dtype=s.dtype, device=s.device)
        found, failed = torch.linalg.cholesky_ex(s)
        self.factor = torch.linalg.cholesky(s + floor * eye) if int(failed) else found

    def __call__(self, x: Tensor) -> Tensor:
        away = x.flatten(1).double() - self.mean
        return torch.linalg.solve_triangular(self.factor, away.t(), upper=False).square().sum(0)


@dataclass(frozen=True)
class Noise:
    """What a corruption y of x does to the moments: E[y] (D,) = offset + keep m, Cov(x, y) = keep S, Cov(y) = `covariance`."""

    keep: float
    mean: Tensor
    covariance: Tensor


def added(known: Moments, variance: float) -> Noise:
    """Return y = x + e, e of this variance, independent of x or at least uncorrelated."""
    eye = torch.eye(len(known.mean), dtype=known.mean.dtype, device=known.mean.device)
    return Noise(1.0, known.mean, known.covariance + variance * eye)


def replaced(known: Moments, p: float, values: tuple[float, ...]) -> Noise:
    """Return y = x, or with probability p, element by element, one of `values`, each as likely."""
    v = torch.tensor(values, dtype=known.mean.dtype, device=known.mean.device)
    mean = (1 - p) * known.mean + p * v.mean()
    covariance = (1 - p) ** 2 * known.covariance
    variance = (1 - p) * known.power.diagonal() + p * v.square().mean() - mean.square()
    return Noise(1 - p, mean, covariance - torch.diag(covariance.diagonal()) + torch.diag(variance))


class Lmmse:
    """The linear estimate of x from y with the least mean squared error: m + Cov(x, y) Cov(y)^-1 (y - E[y]). (B, *S)."""

    def __init__(self, known: Moments, noise: Noise) -> None:
        self.mean, self.noise = known.mean, noise
        eye = torch.eye(len(known.mean), dtype=known.mean.dtype, device=known.mean.device)
        ridge = 1e-9 * noise.covariance.diagonal().mean()
        self.gain = torch.linalg.solve(noise.covariance + ridge * eye, noise.keep * known.covariance)

    def __call__(self, y: Tensor) -> Tensor:
        found = self.mean + (y.flatten(1).double() - self.noise.mean) @ self.gain
        return found.to(y.dtype).reshape(y.shape)


class Conditional:
    """E[x_hidden | x_visible] of a Gaussian with these moments: m_h - P_hh^-1 P_hv (x_v - m_v), P the precision matrix.

    The best linear estimate of what a mask hides. A small ridge makes the covariance regular.
    """

    def __init__(self, known: Moments) -> None:
        s = known.covariance
        eye = torch.eye(len(s), dtype=s.dtype, device=s.device)
        self.mean = known.mean
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
        found = self.mean.clone()
        if len(at):
            found[at] -= torch.cholesky_solve(pull[at, None], torch.linalg.cholesky(self.precision[at][:, at]))[:, 0]
        return found
