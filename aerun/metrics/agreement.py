"""Whether models that differ in their seed alone found the same units: unsupervised disentanglement ranking."""

from collections.abc import Sequence

import torch
from torch import Tensor


def udr(codes: Sequence[Tensor], alive: Sequence[Tensor]) -> list[float]:
    """Return the score of each model, the median of its agreements with the others.

    codes: of the same samples, (n, d) each. alive: (d,) bool each, the units that carry something; others take no part.
    The agreement of two models is the mean of max^2 / sum over the rows and columns of R, the absolute rank correlations of
    units of the one with units of the other: 1 where each unit has one counterpart, whatever its sign and place, and less
    where a unit is spread over several. Duan et al. 2020, https://arxiv.org/abs/1905.12614.
    """
    ranks = [_standard_ranks(z[:, keep]) for z, keep in zip(codes, alive, strict=True)]
    scores = []
    for i, own in enumerate(ranks):
        others = [agreement(own, other) for k, other in enumerate(ranks) if k != i]
        scores.append(float(torch.tensor(others, dtype=torch.float64).quantile(0.5)))
    return scores


def agreement(a: Tensor, b: Tensor) -> float:
    """Return the agreement of standardized ranks (n, d_a) and (n, d_b); 0 where either has no unit."""
    if not a.shape[1] or not b.shape[1]:
        return 0.0
    r = (a.t() @ b / len(a)).abs().clamp(max=1)
    shares = [side.amax(1).square() / side.sum(1).clamp_min(1e-12) for side in (r, r.t())]
    return float(torch.cat(shares).mean())


def _standard_ranks(z: Tensor) -> Tensor:
    """Return the ranks of each unit's values over samples, of mean 0 and variance 1."""
    ranks = z.double().argsort(0).argsort(0).double()
    centred = ranks - ranks.mean(0)
    return centred / centred.square().mean(0).sqrt().clamp_min(1e-12)
