"""Thresholds, p-values and false discovery rates that hold, from the scores of normal samples held out of training.

The promise holds for samples that are exchangeable with the held-out ones, whatever the score is. Vovk, Gammerman & Shafer
2005, https://doi.org/10.1007/b106715; Bates et al. 2023, https://doi.org/10.1214/22-AOS2244.
"""

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
ALPHA = 0.05  # largest false-alarm rate, where nothing else is asked
TIE = 1e-6  # two scores are equal where their relative difference is not larger


def threshold(calibration: Values, alpha: float) -> float:
    """Return c_(k), k = ceil((n + 1)(1 - alpha)), of n calibration scores c_(1) <= ... <= c_(n), in any order.

    P(score of a new normal sample > c_(k)) <= alpha. Infinite where alpha (n + 1) < 1: no score is high enough. Minus infinity
    for alpha = 1. A score that is no number counts as infinite, here and in `p_values`.
    """
    ordered = np.sort(_ranked(calibration))
    allowed = math.floor(alpha * (len(ordered) + 1) * (1 + 1e-12))  # how many of n + 1 equal chances may raise an alarm
    if allowed < 1:
        return math.inf
    return float(ordered[len(ordered) - allowed]) if allowed <= len(ordered) else -math.inf


def alarm_limit(limit: float) -> float:
    """Return the score above which an alarm is raised: the threshold plus a millionth of its size, for rounding."""
    return limit + TIE * abs(limit) if math.isfinite(limit) else limit


def alarms(scores: Values, limit: float) -> NDArray[np.bool_]:
    """Return which scores (m,) raise an alarm at the threshold `limit`; one that is no number counts as infinite."""
    raised: NDArray[np.bool_] = _ranked(scores) > alarm_limit(limit)
    return raised


def _ranked(scores: Values) -> Values:
    """Return the scores in 64 bits, infinity in the place of those that are no numbers: nothing is known to be ordinary."""
    wide = np.asarray(scores, dtype=np.float64)
    return np.where(np.isnan(wide), np.inf, wide)


def needed(alpha: float) -> float:
    """Return the smallest number of calibration scores with which `alpha` > 0 allows an alarm: ceil(1 / alpha) - 1."""
    return max(1, _whole(1, alpha) - 1)


def _whole(a: float, b: float) -> float:
    """Return ceil(a / b), a hair's breadth below counted as whole; infinite where the quotient is."""
    quotient = a / b if b * 1e300 > a else math.inf
    return math.ceil(quotient * (1 - 1e-12)) if math.isfinite(quotient) else math.inf


def shortage(n: int, alpha: float, unit: str = "samples") -> str:
    """Return why n calibration scores raise no alarm at `alpha`, in a sentence; an empty string where they can."""
    if alpha * (n + 1) * (1 + 1e-12) >= 1:
        return ""
    if alpha <= 0:
        return "alpha=0 never raises an alarm."
    return (
        f"no alarm is raised: a false-alarm rate of at most {alpha:g} needs at least {needed(alpha):,} normal validation "
        f"{unit}, and there are {n:,}."
    )


def p_values(calibration: Values, scores: Values) -> Values:
    """Return the p-value (1 + #{c >= s}) / (n + 1) of each score s, (m,); equal within `TIE` counts as equal.

    P(p <= a) <= a for a new normal sample; p <= alpha exactly where s is above `alarm_limit(threshold(calibration, alpha))`.
    """
    limits = np.sort([alarm_limit(c) for c in _ranked(calibration).tolist()])
    below = np.searchsorted(limits, _ranked(scores), side="left")
    p: Values = (1 + len(limits) - below) / (len(limits) + 1)
    return p


def discoveries(p: Values, q: float) -> NDArray[np.bool_]:
    """Return which of m p-values (m,) are discoveries at a false discovery rate of at most q.

    They are the k smallest, k = max{k: p_(k) <= q k / m}. Benjamini & Hochberg 1995; valid for conformal p-values (Bates et al.
    2023).
    """
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= q * np.arange(1, len(p) + 1) / max(len(p), 1) * (1 + 1e-12))
    return p <= ordered[passed[-1]] if len(passed) else np.zeros(len(p), dtype=bool)


def support(n: int, m: int, q: float, unit: str = "samples") -> str:
    """Return a sentence on why n calibration scores cannot support few discoveries among m samples at a rate q.

    The sentence says how many samples must stand out together before a false discovery rate of q is supported: the smallest
    p-value is 1 / (n + 1), and k discoveries need q k / m. An empty string where one sample is enough.
    """
    least = _whole(m, q * (n + 1)) if q > 0 else m + 1
    if least <= 1:
        return ""
    ask = f"for a single one {_whole(m, q) - 1:,} are needed" if q > 0 else "no number of them is enough"
    many = f"fewer than {least:,} anomalies" if least <= m else "any anomaly"
    return f"{n:,} validation scores cannot support {many} among {m:,} {unit} at a false discovery rate of {q:g}; {ask}."
