"""The interval of a difference of mean errors, with seeds as its unit."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def interval(a: Values, b: Values, level: float, paired: bool = True, overlap: int = 1) -> tuple[Values, Values]:
    """Return the ends of the interval of the mean error of a (..., S, n) less that of b (..., S', n), n the same test samples.

    d +- t SE, SE^2 = A + B: A = s^2 / S, s^2 the variance over seeds of their mean differences (paired; else the sum of both
    sides' variances over their numbers of seeds); B = v / n, v the variance over test samples of their mean differences, so
    that neither other seeds nor other samples would turn the sign. t is the quantile of Student's distribution with S - 1
    degrees of freedom, of the smaller side; of one seed A = 0 and n - 1 degrees. With the smallest of their degrees of
    freedom the interval of a sum of variances is never too narrow (Hajek 1962, Inequalities for the generalized Student's
    distribution). overlap: so many test samples in a row share steps; their means count as one sample, and what neighbouring
    means share is added to v. Infinite for one sample: it says nothing of others.
    """
    from scipy.special import stdtrit  # as scipy.stats.t.ppf, whose module takes a second to import

    middle, error, freedom = standard_error(a, b, paired, overlap)
    if freedom < 1:
        return np.full_like(middle, -np.inf), np.full_like(middle, np.inf)
    reach = stdtrit(freedom, (1 + level) / 2) * error
    return middle - reach, middle + reach


def standard_error(a: Values, b: Values, paired: bool = True, overlap: int = 1) -> tuple[Values, Values, int]:
    """Return d and SE of `interval`, and the degrees of freedom: of one sample, SE is infinite and they are 0."""
    a, b = _blocks(a, overlap), _blocks(b, overlap)
    seeds, n = min(a.shape[-2], b.shape[-2]), a.shape[-1]
    middle = a.mean((-2, -1)) - b.mean((-2, -1))
    if n < 2:
        return middle, np.full_like(middle, np.inf), 0
    square = _variance(a.mean(-2) - b.mean(-2), overlap) / n
    if seeds > 1:
        x, y = a.mean(-1), b.mean(-1)
        each = (x - y).var(-1, ddof=1) / seeds if paired else x.var(-1, ddof=1) / x.shape[-1] + y.var(-1, ddof=1) / y.shape[-1]
        square = square + each
    return middle, np.sqrt(square), seeds - 1 if seeds > 1 else n - 1


def _variance(d: Values, overlap: int) -> Values:
    """Return the variance of d (..., n) over its samples.

    For windows that overlap it is that of blocks of them, with twice the covariance of neighbours, which share steps too.
    """
    variance: Values = d.var(-1, ddof=1)
    if overlap < 2:
        return variance
    away = d - d.mean(-1, keepdims=True)
    beside: Values = (away[..., 1:] * away[..., :-1]).sum(-1) / (d.shape[-1] - 1)
    return variance + 2 * beside.clip(0)


def blocks(n: int, overlap: int) -> int:
    """Return how many independent samples n samples are, of which `overlap` in a row share steps: whole blocks, 1 at least."""
    return n if overlap < 2 else max(1, n // overlap)


def _blocks(errors: Values, overlap: int) -> Values:
    """Return the means of `overlap` samples in a row; a last block of fewer is left out where there are others."""
    if overlap < 2:
        return errors
    number = blocks(errors.shape[-1], overlap)
    length = min(overlap, errors.shape[-1])
    return errors[..., : number * length].reshape(*errors.shape[:-1], number, length).mean(-1)
