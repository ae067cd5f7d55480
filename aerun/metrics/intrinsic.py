"""Intrinsic dimension: how many numbers locate a sample on the surface that the data lie on."""

import torch
from torch import Tensor

_NEIGHBOURS, _SPARE = 10, 6
_ROWS = 5000
_WORK = 2e11  # products of elements that computing the distances may cost: a few seconds
_WIDTH = 4_000_000  # elements that are widened to float64 at a time


def affordable(size: int) -> int:
    """Return how many rows of `size` elements to estimate on: 5,000, or fewer where samples are very large."""
    return max(2 * _NEIGHBOURS, min(_ROWS, int((_WORK / size) ** 0.5)))


def neighbours(x: Tensor, k: int = _NEIGHBOURS) -> Tensor:
    """Return the distances (n, k), ascending, of each row of x (n, D) to its k nearest others, in float64.

    Equal rows count once. Raises ValueError for k different rows or fewer.
    """
    x = torch.unique(x, dim=0)
    if len(x) <= k:
        raise ValueError(f"{len(x)} different rows have no {k} neighbours each")
    likely = _likely(x - x.mean(0), min(k + _SPARE, len(x) - 1))  # far from the origin the squares would cancel
    rows = max(1, _WIDTH // (likely.shape[1] * x.shape[1]))
    exact = [
        (x[near].double() - own[:, None].double()).square().sum(2).sqrt()
        for own, near in zip(x.split(rows), likely.split(rows), strict=True)
    ]
    return torch.cat(exact).sort(1).values[:, :k]


def _likely(x: Tensor, k: int) -> Tensor:
    """Return the indices (n, k) of the nearest others, computed in the precision of x.

    They are a few more than are wanted, to be measured exactly.
    """
    norms, indices = x.square().sum(1), []
    for first in range(0, len(x), 1024):
        rows = torch.arange(first, min(first + 1024, len(x)))
        squares = norms - 2 * (x[rows] @ x.t())  # up to a constant of the row
        squares[torch.arange(len(rows)), rows] = torch.inf
        indices.append(squares.topk(k, largest=False).indices)
    return torch.cat(indices)


def two_nn(distances: Tensor, discard: float = 0.1) -> float:
    """Return the intrinsic dimension d by TwoNN: mu_i = r_i2 / r_i1 has P(mu > m) = m^-d.

    d is the slope through the origin of -log(1 - i/n) over log mu_(i), i = 1..n.

    distances (n, 2 or more) as from `neighbours`; the largest `discard` of the mu are left out.
    Facco, d'Errico, Rodriguez & Laio 2017, https://doi.org/10.1038/s41598-017-11873-y
    """
    ratios = (distances[:, 1] / distances[:, 0]).log().sort().values
    n = len(ratios)
    kept = min(round((1 - discard) * n), n - 1)
    x, y = ratios[:kept], -torch.log1p(-torch.arange(1, kept + 1, dtype=ratios.dtype) / n)
    return float((x * y).sum() / x.square().sum())


def maximum_likelihood(distances: Tensor) -> float:
    """Return the intrinsic dimension d = 1 / mean_i m_i by maximum likelihood.

    m_i = 1/(k - 1) sum_{j < k} log(T_ik / T_ij), T_ij the distance to the j-th of k neighbours.

    distances (n, k) as from `neighbours`. Levina & Bickel 2004, https://papers.nips.cc/paper/2577, who average 1 / m_i; the
    mean of m_i instead: MacKay & Ghahramani 2005, http://www.inference.org.uk/mackay/dimension/
    """
    return float(1 / (distances[:, -1:] / distances[:, :-1]).log().mean())
