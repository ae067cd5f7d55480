"""One Gaussian fitted to incomplete rows by EM, and what it expects of missing elements: what PCA is to reconstruction."""

from dataclasses import dataclass

import torch
from torch import Tensor

SWEEPS, RIDGE = 60, 1e-3
_ELEMENTS = 4_000_000  # of the matrices of rows that are worked on together


@dataclass(frozen=True)
class Gaussian:
    """N(m, S) of D elements, in 64 bits."""

    mean: Tensor
    covariance: Tensor

    def conditional(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return E[x | x_seen] (n, D), x where it is seen, and the deviation of each element given these, 0 where seen."""
        parts = [self._given(a, s) for a, s in zip(*(t.split(self._rows) for t in (x.double(), seen)), strict=True)]
        means, covariances = zip(*((mean, spread.diagonal(dim1=1, dim2=2)) for mean, spread in parts), strict=True)
        return torch.cat(means), torch.cat(covariances).clamp_min(0).sqrt()

    @property
    def _rows(self) -> int:
        return max(1, _ELEMENTS // len(self.mean) ** 2)

    def _given(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return means (n, D) and covariances (n, D, D) given the seen elements: m + K (x - m), S - K S, K = S O (O S O)^+."""
        o = seen.double()
        own = self.covariance * o[:, :, None] * o[:, None, :] + torch.diag_embed(1 - o)
        factor = torch.linalg.cholesky(own)
        cross = self.covariance * o[:, :, None]  # O S, (n, D, D)
        away = ((x - self.mean).masked_fill(~seen, 0))[:, :, None]
        solved = torch.cholesky_solve(torch.cat([cross, away], 2), factor)
        mean = self.mean + (cross.transpose(1, 2) @ solved[:, :, -1:])[:, :, 0]
        spread = self.covariance - cross.transpose(1, 2) @ solved[:, :, :-1]
        return torch.where(seen, x, mean), spread


def fit(x: Tensor, seen: Tensor, sweeps: int = SWEEPS, ridge: float = RIDGE) -> Gaussian:
    """Return the Gaussian of greatest likelihood of rows x (n, D) of which `seen` is there, after so many sweeps of EM.

    E: means and covariances of each row's elements given what is seen of it. M: m the mean of these means, S the mean of
    (E[x] - m)(E[x] - m)^T + Cov[x], plus `ridge` on the diagonal, in units of x. Where nothing is missing one sweep is the fit.
    Dempster, Laird & Rubin 1977, https://doi.org/10.1111/j.2517-6161.1977.tb01600.x.
    """
    x, eye = x.double(), ridge * torch.eye(x.shape[1], dtype=torch.float64, device=x.device)
    count = seen.sum(0).clamp_min(1)
    mean = torch.where(seen, x, 0.0).sum(0) / count
    variance = torch.where(seen, (x - mean).square(), 0.0).sum(0) / count
    found = Gaussian(mean, torch.diag(variance) + eye)
    for _ in range(sweeps if not bool(seen.all()) else 2):
        expected, rest = list[Tensor](), torch.zeros_like(eye)
        for a, s in zip(x.split(found._rows), seen.split(found._rows), strict=True):
            means, spreads = found._given(a, s)
            expected.append(means)
            rest = rest + spreads.sum(0)
        whole = torch.cat(expected)
        away = whole - whole.mean(0)
        found = Gaussian(whole.mean(0), (away.t() @ away + rest) / len(x) + eye)
    return found
