"""The location and the spread of the values of one column or channel."""

import torch
from torch import Tensor

WAYS = ("standardize", "robust", "minmax", "none")


def centre_and_spread(values: Tensor, method: str) -> tuple[float, float]:
    """Return (c, s) of the map x -> (x - c) / s for values (n,) without NaN; s is 0 where all are equal.

    standardize: mean and standard deviation (of the n values, not n - 1). robust: median and interquartile range, or the
    standard deviation where more than half of the values are equal. minmax: smallest value and range. none, counts,
    rank_gauss: 0 and 1.
    """
    if method in ("none", "counts", "rank_gauss"):
        return 0.0, 1.0
    low, high = (float(v) for v in values.aminmax())
    if low == high:
        return low, 0.0
    if method == "minmax":
        return low, high - low
    wide = values.double()
    if method == "standardize":
        return float(wide.mean()), float(wide.std(correction=0))
    quarter, median, three = quantiles(wide, 0.25, 0.5, 0.75)
    return median, (three - quarter) or float(wide.std(correction=0))


def quantiles(values: Tensor, *shares: float) -> list[float]:
    """Return quantiles of values (n,) by linear interpolation between the sorted values.

    torch.quantile refuses more than 16 million values.
    """
    ordered = values.double().sort().values
    interpolated = []
    for share in shares:
        at = share * (len(ordered) - 1)
        below = int(at)
        low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
        interpolated.append(low + (at - below) * (high - low))
    return interpolated


def factor(spread: Tensor) -> Tensor:
    """Return 1 / spread, and 0 where the spread is 0."""
    return torch.where(spread > 0, 1 / spread.where(spread > 0, torch.ones_like(spread)), torch.zeros_like(spread))
