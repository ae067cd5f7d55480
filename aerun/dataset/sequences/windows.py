"""From steps to samples: pieces without a break, and windows within them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats.frame import Values, Words

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
FILLING = ("previous", "linear")  # values of `dataset.missing` with which a value may come from far away
_UNEVEN, _FEW = 0.5, 0.05  # of the usual time a step is off, and the share of such steps that is let pass
_LATE = 1.5  # usual steps: a step that comes later than that stands behind a gap


@dataclass(frozen=True)
class Windows:
    """Where samples are cut: first, count (n,), the steps of each; short, pieces too short for a window, which are left out."""

    first: Numbers
    count: Numbers
    short: int


def shared_steps(window: object, stride: object) -> int:
    """Return how many windows in a row share a step: ceil(window / stride), or 1 where they do not overlap."""
    whole = isinstance(window, int) and isinstance(stride, int) and stride > 0
    return max(1, -(-window // stride)) if whole else 1  # type: ignore[operator]


def independent(n: int, overlap: int) -> int:
    """Return the number of independent samples that n windows amount to, of which `overlap` in a row share steps."""
    return max(1, -(-n // overlap))


def pieces(change: Flags, usable: Flags) -> tuple[Numbers, Numbers]:
    """Return the first steps and the lengths of runs of usable steps.

    change: (N,), True where a step does not go on from the one before.
    """
    at = np.flatnonzero(usable)
    if not len(at):
        return at, at
    new = np.ones(len(at), dtype=bool)
    new[1:] = (np.diff(at) > 1) | change[at[1:]]
    starts = np.flatnonzero(new)
    return at[starts], np.diff([*starts, len(at)])


def ends(x: NDArray[np.floating[Any]], first: Numbers, count: Numbers) -> Numbers:
    """Return the lengths of pieces of x (N, F) up to the last step that holds any value, 0 where none does."""
    there = ~np.isnan(x).all(axis=1)
    last = np.maximum.accumulate(np.where(there, np.arange(len(x)), -1))[first + count - 1] if len(first) else first
    return np.clip(last - first + 1, 0, None)


def cut(first: Numbers, count: Numbers, window: int | None, stride: int) -> Windows:
    """Return windows of `window` steps within the pieces, one every `stride` steps; for None the pieces themselves."""
    if window is None:
        return Windows(first, count, 0)
    fit = np.where(count >= window, (count - window) // stride + 1, 0)
    number = np.arange(int(fit.sum())) - np.repeat(np.cumsum(fit) - fit, fit)
    starts = np.repeat(first, fit) + stride * number
    return Windows(starts, np.full(len(starts), window, dtype=np.int64), int((fit == 0).sum()))


def covering(first: Numbers, count: Numbers, window: int, stride: int) -> tuple[Numbers, Numbers]:
    """Return the first steps of windows that cover every step of the pieces: those of `cut`, and those that end pieces.

    The second ones are of pieces whose last steps no other window covers. No window covers a piece that is shorter than one.
    """
    step = min(stride, window)
    grid = cut(first, count, window, step)
    rest = (count > window) & ((count - window) % step > 0)
    return grid.first, first[rest] + count[rest] - window


def gathered(where: str, x: NDArray[np.float32], windows: Windows, steps: int) -> NDArray[np.float32]:
    """Return samples (n, steps, F) of x (N, F), with NaN behind the last step.

    Raises AerunError where they do not fit into memory.
    """
    refuse_beyond(f"{where} (longer dataset.stride: fewer windows)", 4.0 * len(windows.first) * steps * x.shape[1])
    samples = np.full((len(windows.first), steps, x.shape[1]), np.nan, dtype=np.float32)
    for row, first, count in zip(samples, windows.first.tolist(), windows.count.tolist(), strict=True):
        row[:count] = x[first : first + count]
    return samples


def classes(codes: Numbers, windows: Windows, any_of: int | None) -> Numbers:
    """Return one class for each sample: `any_of` where one of its steps is of that class, else the most frequent.

    Of two that are equally frequent it is the first.
    """
    most = int(codes.max()) + 1
    best, winners = np.full(len(windows.first), -1), np.zeros(len(windows.first), dtype=np.int64)
    for k in range(most):
        sums = np.concatenate([[0], np.cumsum(codes == k)])
        count = sums[windows.first + windows.count] - sums[windows.first]
        winners = np.where((count > best) | ((k == any_of) & (count > 0)), k, winners)
        best = np.maximum(best, count)
    return winners


def most_frequent(words: Words, windows: Windows) -> Words:
    """Return the most frequent of its steps' words for each sample; of two that are equally frequent the first in order."""
    names, codes = np.unique(words, return_inverse=True)
    return names[classes(codes, windows, None)] if len(windows.first) else words[:0]


def repeated(time: Values, series: Numbers) -> Numbers:
    """Return the steps, sorted by series and time, that are of the same moment as the one before them."""
    return np.flatnonzero((np.diff(time) == 0) & (np.diff(series) == 0)) + 1


@dataclass(frozen=True)
class Gaps:
    """Gaps in time, and what is usual.

    after (N,): True where a step comes later than it should. usual: the time between two steps. longest: the longest such time.
    """

    after: Flags
    usual: float
    longest: float
    worst: int


def gaps(time: Values, series: Numbers) -> Gaps:
    """Return the gaps between steps that are sorted by series and time."""
    change = np.diff(series) != 0
    waited = np.diff(time)
    waited[change] = np.nan
    usual = float(np.nanmedian(waited)) if (~change).any() else np.inf
    after = np.concatenate([[False], waited > _LATE * usual])
    longest = float(np.nanmax(waited)) if (~change).any() else 0.0
    return Gaps(after, usual, longest, int(np.nanargmax(waited)) + 1 if (~change).any() else 0)


def since(time: Values, series: Numbers) -> Values:
    """Return the time since the step before (N,) of steps sorted by series and time, 0 for the first of a series."""
    waited = np.diff(time, prepend=time[:1])
    waited[np.flatnonzero(np.diff(series)) + 1] = 0
    return waited


def uneven(time: Values, first: Numbers, count: Numbers) -> float:
    """Return the share of steps in pieces that come much earlier or later than usual; 0 where it is no more than a few."""
    waited = [np.diff(time[a : a + n]) for a, n in zip(first.tolist(), count.tolist(), strict=True) if n > 1]
    if not waited:
        return 0.0
    joined = np.concatenate(waited)
    usual = float(np.median(joined))
    share = float((np.abs(joined - usual) > _UNEVEN * usual).mean())
    return share if share > _FEW else 0.0


def filled(x: Values, change: Flags, method: str) -> Values:
    """Return x (N, F) with missing values filled in, within runs that go on.

    method: `previous` repeats the value before, `linear` draws a straight line. Values missing before the first one of a run
    take that value. A run without any stays NaN.
    """
    values = x.copy()
    starts = np.flatnonzero(change)
    for first, last in zip(starts, [*starts[1:], len(x)], strict=True):
        for column in values[first:last].T:
            there = np.flatnonzero(~np.isnan(column))
            if not 0 < len(there) < len(column):
                continue
            at = np.arange(len(column))
            if method == "linear":
                column[:] = np.interp(at, there, column[there])
            else:
                column[:] = column[there[np.searchsorted(there, at, side="right").clip(1) - 1]]
    return values


def refuse_missing(missing: Flags, spoken: str) -> None:
    """Raise AerunError for a missing value; `spoken` says where it is."""
    if missing.any():
        raise AerunError(
            f"{spoken}: is missing ({int(missing.sum())} in all). dataset.missing=previous or linear fills in, "
            "dataset.missing=cut takes samples without them."
        )
