"""The code as a table, for penalties that compare units: one row a sample (and place of a grid), one column a unit."""

import torch
from torch import Tensor

from aerun.vocabulary import wide

_ROUNDING = 16  # rounding errors of a mean, in units of the precision: less spread than this is none


def table(z: Tensor) -> Tensor:
    """Map (B, d, *grid) -> (N, d), N = B times the places of the grid; in at least 32 bits."""
    return wide(z).movedim(1, -1).flatten(0, -2)


def standardized(rows: Tensor) -> Tensor:
    """Map (N, d) -> each unit less its mean, over its standard deviation (1 / N); a constant unit becomes 0, its gradient too."""
    centred = rows - rows.mean(0)
    variance = centred.square().mean(0)
    alive = variance > (_ROUNDING * torch.finfo(rows.dtype).eps) ** 2 * rows.square().mean(0)
    return torch.where(alive, centred * torch.where(alive, variance, 1).rsqrt(), 0)


def gram(m: Tensor) -> Tensor:
    """Map M^T M, (n, m) -> (m, m), in the precision of M even where autocast would take less."""
    with torch.autocast(m.device.type, enabled=False):
        return m.t() @ m
