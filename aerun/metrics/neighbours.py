"""Nearest neighbours, and whether a code keeps them."""

from collections.abc import Iterator

import torch
from torch import Tensor

from aerun.metrics.gaps import over_seen

_WORK = 4_000_000  # distances or ranks in memory at a time


def distances(x: Tensor, base: Tensor, rows: int) -> Iterator[Tensor]:
    """Yield squared Euclidean distances (rows, m) of x (n, D) to base (m, D), `rows` samples at a time.

    Each row is less a constant of its own, which does not change the order within it.
    """
    centre = base.mean(0)  # far from the origin the squares would cancel
    base = base - centre
    norms = base.square().sum(1)
    for part in (x - centre).split(rows):
        yield norms - 2 * (part @ base.t())


def nearest(x: Tensor, base: Tensor, k: int) -> Tensor:
    """Return the indices (n, k) of the nearest of base (m, D), nearest first; k is below m."""
    rows = max(1, _WORK // len(base))
    return torch.cat([d.topk(k, largest=False).indices for d in distances(x, base, rows)])


def neighbour_distance(x: Tensor, base: Tensor, k: int, seen: Tensor | None = None) -> Tensor:
    """Return the Euclidean distance of each row of x (n, D) to its k-th nearest of base (m, D), (n,).

    Where base holds fewer than k, it is the distance to the last. Candidates are found fast and then measured exactly, so that
    a copy of a base sample is at a distance of 0. Rows in which `seen` (n, D) has gaps are compared by what is seen of them,
    and the squared distance is D / |seen| times as large.
    """

    def part(rows: Tensor, there: Tensor) -> Tensor:
        return _kth(x[rows][:, there], base[:, there], k)

    return over_seen(_kth(x, base, k), seen, part).sqrt()


def _kth(x: Tensor, base: Tensor, k: int) -> Tensor:
    """Return the squared distances of `neighbour_distance`."""
    near = nearest(x, base, min(len(base), 2 * k))
    rows = max(1, _WORK // max(1, near.shape[1] * x.shape[1]))
    exact = [(base[j] - part[:, None]).square().sum(2) for part, j in zip(x.split(rows), near.split(rows), strict=True)]
    return torch.cat(exact).sort(1).values[:, min(k, near.shape[1]) - 1]


def trustworthiness(x: Tensor, z: Tensor, k: int) -> float:
    """Return T = 1 - 2 / (n k (2 n - 3 k - 1)) sum_i sum_{j in U_i} (r_ij - k), for k < n / 2.

    U_i are those of the k nearest of i in z (n, d) that are not among its k nearest in x (n, D), r_ij their rank there. 1: no
    neighbour in z is a stranger in x; about 1/2: chance. Continuity is the same with x and z exchanged. Venna & Kaski 2001,
    https://doi.org/10.1007/3-540-44668-0_68.
    """
    n = len(x)
    rows, excess, first = max(1, _WORK // (n * k)), 0, 0
    for dx, dz in zip(distances(x, x, rows), distances(z, z, rows), strict=True):
        own = torch.arange(len(dx), device=dx.device)
        dx[own, first + own] = dz[own, first + own] = torch.inf
        near = dz.topk(k, largest=False).indices
        ranks = (dx[:, None, :] < dx.gather(1, near)[..., None]).sum(2) + 1
        excess += int((ranks - k).clamp_min(0).sum())
        first += len(dx)
    return 1 - 2 * excess / (n * k * (2 * n - 3 * k - 1))


def voted(near: Tensor, y: Tensor) -> Tensor:
    """Return the most frequent label (n,) among neighbours (n, k) with labels y (m,); of equally frequent the smallest."""
    labels = y[near]
    votes = torch.zeros(len(near), int(y.max()) + 1, dtype=torch.long, device=near.device)
    return votes.scatter_add_(1, labels, torch.ones_like(labels)).argmax(1)
