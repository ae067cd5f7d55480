"""The code as a table, for penalties that compare units: a row for each sample and place, a column for each unit."""

import torch
from torch import Tensor

from aerun.vocabulary import wide

_ROUNDING = 16  # rounding error of a mean, in units of the precision; a smaller spread counts as none


def table(z: Tensor) -> Tensor:
    """Map codes (B, d, *grid) to rows (N, d), N = B times the places of the grid, in at least 32 bits."""
    return wide(z).movedim(1, -1).flatten(0, -2)


def standardized(rows: Tensor) -> Tensor:
    """Return rows (N, d) with each unit less its mean, over its standard deviation (1 / N).

    A constant unit becomes 0, and so does its gradient.
    """
    centred = rows - rows.mean(0)
    variance = centred.square().mean(0)
    alive = variance > (_ROUNDING * torch.finfo(rows.dtype).eps) ** 2 * rows.square().mean(0)
    return torch.where(alive, centred * torch.where(alive, variance, 1).rsqrt(), 0)


def gram(m: Tensor) -> Tensor:
    """Return M^T M, (n, m) -> (m, m), in the precision of M even where autocast would use less."""
    with torch.autocast(m.device.type, enabled=False):
        return m.t() @ m
