"""Numbers by their rank, as a Gaussian has it."""

import torch
from torch import Tensor

from aerun.preparation.statistics import centre_and_spread

RANK_GAUSS = "rank_gauss"  # the way of `Columns`
KNOTS = 1000  # of one column, at most
_FEWEST = 20  # different values of a column, below which it is standardized
_FAR = 5.0  # prepared values beyond the knots, at most


def knots_of(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return values x (KNOTS,), ascending, and z = Phi^-1((r - 1/2) / n), r their mean rank among the n `values`.

    Fewer are filled up with the last ones. A column of fewer than 20 different values has two, by which it is standardized.
    """
    distinct, counts = values.double().unique(return_counts=True)
    if len(distinct) < _FEWEST:
        centre, spread = centre_and_spread(values, "standardize")
        x = torch.tensor([centre, centre + spread], dtype=torch.float64)
        z = torch.tensor([0.0, float(spread > 0)], dtype=torch.float64)  # a constant becomes 0, and 0 the constant
    else:
        ranks = counts.cumsum(0) - (counts - 1) / 2
        at = torch.linspace(0, len(distinct) - 1, min(KNOTS, len(distinct)), dtype=torch.float64).round().long()
        x, z = distinct[at], torch.special.ndtri((ranks[at] - 0.5) / len(values))
    last = KNOTS - len(x)
    return torch.cat([x, x[-1:].expand(last)]), torch.cat([z, z[-1:].expand(last)])


def bent(values: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """Return values (B, N) of N columns by the lines through their knots x, z (N, KNOTS), the outer ones going on.

    With x and z exchanged it is the inverse.
    """
    if torch.compiler.is_exporting():  # which knows no search
        place = (values[:, :, None] > x).sum(-1).t()
    else:
        place = torch.searchsorted(x, values.t().to(x.dtype).contiguous())
    used = 1 + (x[:, 1:] > x[:, :-1]).sum(1, keepdim=True)  # the rest repeats the last
    low = torch.minimum((place - 1).clamp_min(0), (used - 2).clamp_min(0))
    x0, x1, z0, z1 = _ends(x, z, low)
    slope = (z1 - z0) / torch.where(x1 > x0, x1 - x0, torch.ones_like(x0))
    return z0 + slope * (values - x0)


def _ends(x: Tensor, z: Tensor, low: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return x and z at both ends of the pieces `low` (N, B), each (B, N)."""
    return x.gather(1, low).t(), x.gather(1, low + 1).t(), z.gather(1, low).t(), z.gather(1, low + 1).t()


def capped(values: Tensor, x: Tensor) -> Tensor:
    """Return prepared values (B, N) that lie at most 5 out, but those of columns that are standardized; x: see `bent`."""
    return torch.where(x[:, 2] > x[:, 1], values.clamp(-_FAR, _FAR), values)
