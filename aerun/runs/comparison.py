"""How certain a difference is: settings are compared by their test errors, and seeds are the unit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerun.dataset.sequences.windows import shared_steps
from aerun.metrics.interval import Values, blocks, interval, standard_error
from aerun.runs.groups import Group, Run
from aerun.runs.plain import array

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """Error of the first less that of the second, as a share of the second's, with its interval.

    low, high: the interval, at 95 % for all the pairs that were compared together. spread: the standard error. seeds: of each;
    1: they did not vary, and the interval is over test samples. paired: the same seeds on both sides. settings: how many were
    ranked, of which these are two.
    """

    share: float
    low: float
    high: float
    samples: int
    seeds: int
    paired: bool = True
    settings: int = 2
    spread: float = math.nan

    @property
    def pairs(self) -> int:
        """Return the number of pairs of settings, any of which might have been the one that is reported."""
        return self.settings * (self.settings - 1) // 2

    @property
    def significant(self) -> bool:
        """Return whether the interval leaves out zero."""
        return not self.low <= 0 <= self.high

    def words(self, first: str, second: str) -> str:
        """Return the difference in a sentence or two."""
        if not math.isfinite(self.low) or not math.isfinite(self.high):
            return f"{first} against {second}: cannot tell: one test sample says nothing of others."
        if not self.significant:
            span = f"{100 * self.low:+.1f} % to {100 * self.high:+.1f} %"
            return f"{first} against {second}: cannot tell: test squared errors differ by {span} ({self._basis})."
        low, high = sorted((abs(self.low), abs(self.high)))
        word = "lower" if self.share < 0 else "higher"
        size = f"{100 * abs(self.share):.1f} % {word} than {second}"
        return f"{first}: test squared error {size} ({100 * low:.1f} to {100 * high:.1f} %, {self._basis})."

    @property
    def _basis(self) -> str:
        """Return in words what the interval is taken over."""
        corrected = f", corrected for {self.pairs:,} pairs of {self.settings} settings (Bonferroni)" if self.pairs > 1 else ""
        one = "; seeds did not vary: one seed" if self.seeds == 1 else ""
        return f"95 % over {self.units}{corrected}{one}"

    @property
    def units(self) -> str:
        """Return in words what varied: seeds and test samples, or these alone."""
        seeds = "" if self.seeds == 1 else f"{self.seeds} {'paired ' if self.paired else ''}seeds and "
        return f"{seeds}{self.samples:,} test samples"


def difference(first: Group, second: Group, settings: int = 2) -> Difference | None:
    """Return how the test errors of two groups differ, from their runs' test_errors.npy; see `interval`.

    Where two or more seeds are in both groups, these are paired; else all seeds are used where each group has two or more; else
    one seed of each, and the interval is over test samples alone. settings: how many were ranked, so that the best of many does
    not look better by chance. None where there are no errors of the same samples, or
    the second makes none at all and the first does.
    """
    pairs = [(a, b) for a in first.runs for b in second.runs if a.seed == b.seed]
    paired = len(pairs) > 1 or len(first.runs) == 1 or len(second.runs) == 1
    if paired:
        pairs = pairs or [(first.runs[0], second.runs[0])]
        sides = [[pair[i] for pair in pairs] for i in (0, 1)]
    else:
        sides = [list(first.runs), list(second.runs)]
    if not _same_data(sides, paired):
        return None
    a, b = (_errors([run.path for run in side]) for side in sides)
    if a is None or b is None or a.shape[1] != b.shape[1] or (b.mean() <= 0 and a.any()):
        return None
    overlap = _overlap(first.runs[0].config)
    low, high = interval(a, b, 1 - (1 - LEVEL) / max(1, settings * (settings - 1) // 2), paired, overlap)
    spread = standard_error(a, b, paired, overlap)[1]
    scale = b.mean() or 1.0  # where neither makes an error they are equal
    share = (a.mean() - b.mean()) / scale
    seeds = min(len(a), len(b))
    units = blocks(a.shape[1], overlap)
    ends = (float(low / scale), float(high / scale))
    return Difference(float(share), *ends, units, seeds, paired, settings, float(spread / scale))


def _errors(paths: Sequence[Path]) -> Values | None:
    """Return the test errors (S, n); None where some are missing, or the runs have different numbers of samples."""
    try:
        errors = np.stack([array(path, "test_errors.npy") for path in paths]).astype(np.float64)
    except (FileNotFoundError, ValueError):
        return None
    return errors if errors.ndim == 2 and np.isfinite(errors).all() else None


def _overlap(config: object) -> int:
    assert isinstance(config, dict)
    return shared_steps(config.get("dataset.length", config.get("dataset.window")), config.get("dataset.stride"))


def _same_data(sides: Sequence[Sequence[Run]], paired: bool) -> bool:
    """Return whether the two runs of each pair, or all runs where they are not paired, are of the same data."""
    if paired:
        return all(_data(x.config) == _data(y.config) for x, y in zip(*sides, strict=True))
    return len({repr(sorted(_data(run.config).items())) for side in sides for run in side}) == 1


def _data(config: object) -> dict[str, object]:
    assert isinstance(config, dict)
    return {k: v for k, v in config.items() if k.startswith("dataset.") and k != "dataset.epochs"}
