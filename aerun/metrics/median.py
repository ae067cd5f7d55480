"""The geometric median."""

import torch
from torch import Tensor

_STEPS, _STILL, _NEAR = 100, 1e-7, 1e-12


def geometric_median(x: Tensor) -> Tensor:
    """Return the point of least mean distance to rows x (n, D), by Weiszfeld's iteration from their mean; (D,).

    It ends where a step is below 1e-7 of the rows' mean distance, or after 100. Rows far away pull it no more than others.
    """
    x = x.double()
    point = x.mean(0)
    for _ in range(_STEPS):
        distance = (x - point).norm(dim=1)
        weight = 1 / distance.clamp_min(_NEAR)
        before, point = point, (x * weight[:, None]).sum(0) / weight.sum()
        if float((point - before).norm()) <= _STILL * float(distance.mean()):
            break
    return point


def spaced_rows(n: int, most: int) -> Tensor:
    """Return at most `most` of n row numbers, evenly spaced."""
    return torch.arange(n) if n <= most else torch.linspace(0, n - 1, most).long()
