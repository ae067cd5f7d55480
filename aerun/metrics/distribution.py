"""How near made samples are to data, as clouds of points: Frechet distance, precision and recall, density and coverage."""

import torch
from torch import Tensor

_NEIGHBOURS = 5
_ROWS = 512


def frechet(a: Tensor, b: Tensor) -> float:
    """Return ||m_a - m_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of two sets of features (n, d), (m, d).

    The squared distance of the Gaussians with their moments. Dowson & Landau 1982, https://doi.org/10.1016/0047-259X(82)90077-X
    """
    a, b = a.double(), b.double()
    ca, cb = (torch.cov(v.t()).reshape(v.shape[1], -1) for v in (a, b))
    root = _root(ca)
    cross = torch.linalg.eigvalsh(root @ cb @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + ca.trace() + cb.trace() - 2 * cross)


def _root(c: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(c)
    return vectors * values.clamp_min(0).sqrt() @ vectors.t()


def overlap(real: Tensor, made: Tensor, k: int = _NEIGHBOURS) -> dict[str, float]:
    """Of two sets (n, d), (m, d); the ball of a point reaches to its k-th nearest other of its own set.

    precision: share of made points in the ball of some real one; recall: share of real points in the ball of some made one.
    Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991. density: mean number of real balls that hold a made
    point, over k; coverage: share of real balls that hold a made point. Naeem et al. 2020, https://arxiv.org/abs/2002.09797.
    """
    real, made = real.double(), made.double()
    balls, own = _reach(real, k), _reach(made, k)
    inside, precise, recalled, covered = 0, 0, 0, 0
    for part, ball in zip(real.split(_ROWS), balls.split(_ROWS), strict=True):
        distances = torch.cdist(part, made)
        held = distances <= ball[:, None]
        inside = inside + held.sum(0)
        covered += int(held.any(1).sum())
        recalled += int((distances <= own).any(1).sum())
    precise = int((torch.as_tensor(inside) > 0).sum())
    return {
        "precision": precise / len(made),
        "recall": recalled / len(real),
        "density": float(torch.as_tensor(inside).double().mean()) / k,
        "coverage": covered / len(real),
    }


def _reach(x: Tensor, k: int) -> Tensor:
    """Return distance to the k-th nearest other point, (n,)."""
    return torch.cat([torch.cdist(part, x).kthvalue(min(k + 1, len(x)), dim=1).values for part in x.split(_ROWS)])


def nearest(x: Tensor, others: Tensor) -> Tensor:
    """Return distance of each of x (n, D) to the nearest of `others` (m, D), (n,)."""
    return torch.cat([torch.cdist(part, others).min(1).values for part in x.flatten(1).split(_ROWS)])
