"""The tail of scores behind what was seen: peaks over a threshold, by a generalized Pareto distribution."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
SHARE = 0.02  # of the scores, the highest, are the tail
LEAST = 20  # scores in the tail, fewer say nothing of its shape
ALPHA = 0.001  # largest false-alarm rate, where nothing else is asked: behind what a share of the scores could say
_SHAPES = (-0.5, 2.0)  # the likelihood has no maximum below; above not even the logarithm of a score would be tame
_GRID = 400


@dataclass(frozen=True)
class Tail:
    """P(score > s) = share (1 + shape (s - start) / scale)^(-1 / shape) for s >= start; shape 0: exp(-(s - start) / scale)."""

    start: float
    share: float
    shape: float
    scale: float

    def limit(self, alpha: float) -> float:
        """Return the score that is exceeded with the probability `alpha`, which is at most `share`; infinite for 0."""
        if alpha <= 0:
            return self.start - self.scale / self.shape if self.shape < 0 else math.inf
        times = math.log(self.share / alpha)
        return self.start + self.scale * (times if abs(self.shape) < 1e-9 else math.expm1(self.shape * times) / self.shape)


def tail(scores: Values) -> Tail | None:
    """Return the tail of scores (n,) above their quantile 1 - `SHARE`; None where fewer than `LEAST` lie there.

    By maximum likelihood (Siffer et al. 2017, https://doi.org/10.1145/3097983.3098144; Grimshaw 1993): with t = shape / scale
    the best shape is the mean of log(1 + t y) over excesses y, so that only t is searched for.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    count = math.floor(SHARE * len(ordered) + 1e-9)
    if count < LEAST:
        return None
    start = float(ordered[-count - 1])
    excess = ordered[-count:] - start
    shape, scale = _fit(excess[excess > 0])
    return Tail(start, count / len(ordered), shape, scale)


def needed() -> int:
    """Return how many scores `tail` needs."""
    return math.ceil(LEAST / SHARE)


def _fit(excess: Values) -> tuple[float, float]:
    """Return shape and scale of excesses (k,) above 0."""
    if not len(excess):
        return 0.0, 1e-300
    unit = float(excess.mean())
    y, most = excess / unit, float(excess.max()) / unit
    low, high = -(1 - 1e-6) / most, 100.0
    for _ in range(4):  # a finer grid around the best of the one before
        grid = np.unique(np.concatenate([np.linspace(low, min(high, 1), _GRID // 2), np.linspace(low, high, _GRID // 2)]))
        values = _likelihood(y, grid)
        best = int(values.argmax())
        low, high = float(grid[max(0, best - 1)]), float(grid[min(len(grid) - 1, best + 1)])
    t = float(grid[best])
    if abs(t) < 1e-9:
        return 0.0, unit
    shape = float(np.log1p(t * y).mean())
    return shape, unit * shape / t


def _likelihood(y: Values, grid: Values) -> Values:
    """Return the mean log-likelihood at each t of a grid, with the best shape for it; -inf for shapes out of bounds."""
    shape = np.log1p(grid[:, None] * y).mean(1)
    safe = np.abs(grid) > 1e-9
    scale = np.where(safe, shape / np.where(safe, grid, 1), y.mean())
    value: Values = -np.log(np.maximum(scale, 1e-300)) - shape - 1
    return np.where((shape >= _SHAPES[0]) & (shape <= _SHAPES[1]), value, -np.inf)
