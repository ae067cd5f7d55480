"""How near generated samples are to data, as point clouds: Frechet distance, precision, recall, density, coverage."""

import torch
from torch import Tensor

_NEIGHBOURS = 5
_ROWS = 512
FEWEST = _NEIGHBOURS + 1  # samples that `overlap` needs on either side


def frechet(a: Tensor, b: Tensor) -> float:
    """Return ||m_a - m_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of two sets of features (n, d), (m, d).

    This is the squared distance of the Gaussians with their moments. Dowson & Landau 1982,
    https://doi.org/10.1016/0047-259X(82)90077-X
    """
    a, b = a.double(), b.double()
    ca, cb = (_covariance(v) for v in (a, b))
    root = _root(ca)
    cross = torch.linalg.eigvalsh(root @ cb @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + ca.trace() + cb.trace() - 2 * cross)


def _covariance(v: Tensor) -> Tensor:
    """Return the covariance (d, d) of v (n, d), divided by n - 1; of one sample it is 0."""
    centred = v - v.mean(0)
    return centred.t() @ centred / max(1, len(v) - 1)


def _root(c: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(c)
    return vectors * values.clamp_min(0).sqrt() @ vectors.t()


def overlap(real: Tensor, made: Tensor, k: int = _NEIGHBOURS) -> dict[str, float]:
    """Return precision, recall, density and coverage of generated samples (m, d) with respect to real ones (n, d).

    The ball of a point reaches to its k-th nearest neighbour in its own set. precision: share of generated points in the ball
    of some real one; recall: share of real points in the ball of some generated one. Kynkaanniemi et al. 2019,
    https://arxiv.org/abs/1904.06991. density: mean number of real balls that hold a generated point, over k; coverage: share of
    real balls that hold a generated point. Naeem et al. 2020, https://arxiv.org/abs/2002.09797.
    """
    real, made = real.double(), made.double()
    balls, own = _reach(real, k), _reach(made, k)
    inside, precise, recalled, covered = 0, 0, 0, 0
    for part, ball in zip(real.split(_ROWS), balls.split(_ROWS), strict=True):
        distances = torch.cdist(part, made)
        in_ball = distances <= ball[:, None]
        inside = inside + in_ball.sum(0)
        covered += int(in_ball.any(1).sum())
        recalled += int((distances <= own).any(1).sum())
    precise = int((torch.as_tensor(inside) > 0).sum())
    return {
        "precision": precise / len(made),
        "recall": recalled / len(real),
        "density": float(torch.as_tensor(inside).double().mean()) / k,
        "coverage": covered / len(real),
    }


def _reach(x: Tensor, k: int) -> Tensor:
    """Return the distance of each point to its k-th nearest neighbour, (n,)."""
    return torch.cat([torch.cdist(part, x).kthvalue(min(k + 1, len(x)), dim=1).values for part in x.split(_ROWS)])


def nearest(x: Tensor, others: Tensor) -> Tensor:
    """Return the distance of each row of x (n, D) to the nearest of `others` (m, D), (n,)."""
    return torch.cat([torch.cdist(part, others).min(1).values for part in x.flatten(1).split(_ROWS)])
