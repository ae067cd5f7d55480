"""How sure is a difference? Two settings, their errors on the same test samples, drawn again and again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerun.runs.groups import Group
from aerun.runs.plain import array

_DRAWS, _CHUNK = 2000, 50


@dataclass(frozen=True)
class Difference:
    """Error of the first less that of the second, as a share of the second's; low, high: its 95 % interval."""

    share: float
    low: float
    high: float
    samples: int
    seeds: int

    def words(self, first: str, second: str) -> str:
        """In a sentence or two."""
        word = "lower" if self.share < 0 else "higher"
        low, high = sorted((abs(self.low), abs(self.high)))
        over = f"paired over {self.samples:,} test samples and {self.seeds} seed{'s' * (self.seeds > 1)}"
        alone = "" if self.seeds > 1 else " One seed: the chance of training itself is not in the interval."
        if self.low <= 0 <= self.high:
            span = f"{100 * self.low:+.1f} % to {100 * self.high:+.1f} %"
            return f"{first} and {second} cannot be told apart: test squared errors differ by {span} (95 %, {over}).{alone}"
        span = f"{100 * low:.1f} to {100 * high:.1f} %, 95 %"
        return f"{first}: test squared error {100 * abs(self.share):.1f} % {word} than {second} ({span}, {over}).{alone}"


def difference(first: Group, second: Group) -> Difference | None:
    """From test_errors.npy of runs with the same seeds, samples and seeds resampled together (Efron & Tibshirani 1993, ch. 8).

    share = mean_si (a_si - b_si) / mean_si b_si, a and b (seeds, samples). None where there are no errors of the same samples.
    """
    pairs = [(a, b) for a in first.runs for b in second.runs if a.seed == b.seed]
    if not pairs or any(_data(a.config) != _data(b.config) for a, b in pairs):
        return None
    try:
        a, b = (np.stack([array(p[i].path, "test_errors.npy") for p in pairs]) for i in (0, 1))
    except (FileNotFoundError, ValueError):
        return None
    if a.ndim != 2 or a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all() or b.mean() <= 0:
        return None
    shares = _resampled(a.astype(np.float64), b.astype(np.float64))
    low, high = np.quantile(shares, (0.025, 0.975))
    return Difference(float((a.mean() - b.mean()) / b.mean()), float(low), float(high), a.shape[1], len(a))


def _resampled(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    g = np.random.default_rng(0)
    seeds, n = a.shape
    found = []
    for _ in range(_DRAWS // _CHUNK):
        weight = g.multinomial(n, np.full(n, 1 / n), _CHUNK) / n  # (draws, samples)
        drawn = g.integers(seeds, size=(_CHUNK, seeds))
        means = [np.take_along_axis(weight @ e.T, drawn, 1).mean(1) for e in (a, b)]
        found.append((means[0] - means[1]) / means[1])
    return np.concatenate(found)


def _data(config: object) -> dict[str, object]:
    assert isinstance(config, dict)
    return {k: v for k, v in config.items() if k.startswith("dataset.") and k != "dataset.epochs"}
