"""From steps to samples: pieces without a break, and windows within them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats.frame import Values

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
_LATE = 1.5  # usual steps: what is later than that is a gap


@dataclass(frozen=True)
class Windows:
    """first, count (n,): the steps of each sample. short: pieces that are too short for a window, left out."""

    first: Numbers
    count: Numbers
    short: int


def shared_steps(window: object, stride: object) -> int:
    """Return how many windows in a row share a step: ceil(window / stride), 1 where they do not overlap or there are none."""
    whole = isinstance(window, int) and isinstance(stride, int) and stride > 0
    return max(1, -(-window // stride)) if whole else 1  # type: ignore[operator]


def independent(n: int, overlap: int) -> int:
    """Return as how many independent samples n windows count, of which `overlap` in a row share steps."""
    return max(1, -(-n // overlap))


def pieces(change: Flags, usable: Flags) -> tuple[Numbers, Numbers]:
    """Return first steps and lengths of runs of usable steps; `change` is True where a step does not go on from the one before."""
    at = np.flatnonzero(usable)
    if not len(at):
        return at, at
    new = np.ones(len(at), dtype=bool)
    new[1:] = (np.diff(at) > 1) | change[at[1:]]
    starts = np.flatnonzero(new)
    return at[starts], np.diff([*starts, len(at)])


def cut(first: Numbers, count: Numbers, window: int | None, stride: int) -> Windows:
    """Return windows of `window` steps within the pieces, one every `stride` steps; None: the pieces themselves."""
    if window is None:
        return Windows(first, count, 0)
    fit = np.where(count >= window, (count - window) // stride + 1, 0)
    number = np.arange(int(fit.sum())) - np.repeat(np.cumsum(fit) - fit, fit)
    starts = np.repeat(first, fit) + stride * number
    return Windows(starts, np.full(len(starts), window, dtype=np.int64), int((fit == 0).sum()))


def gathered(where: str, x: NDArray[np.float32], windows: Windows, steps: int) -> NDArray[np.float32]:
    """Return samples (n, steps, F) of x (N, F), NaN behind the last step. AerunError where they do not fit into memory."""
    refuse_beyond(f"{where} (longer dataset.stride: fewer windows)", 4.0 * len(windows.first) * steps * x.shape[1])
    found = np.full((len(windows.first), steps, x.shape[1]), np.nan, dtype=np.float32)
    for row, first, count in zip(found, windows.first.tolist(), windows.count.tolist(), strict=True):
        row[:count] = x[first : first + count]
    return found


def classes(codes: Numbers, windows: Windows, any_of: int | None) -> Numbers:
    """Return one class a sample: `any_of` where one of its steps is of that class, else the most frequent (of two the first)."""
    most = int(codes.max()) + 1
    best, found = np.full(len(windows.first), -1), np.zeros(len(windows.first), dtype=np.int64)
    for k in range(most):
        sums = np.concatenate([[0], np.cumsum(codes == k)])
        count = sums[windows.first + windows.count] - sums[windows.first]
        found = np.where((count > best) | ((k == any_of) & (count > 0)), k, found)
        best = np.maximum(best, count)
    return found


def repeated(time: Values, series: Numbers) -> Numbers:
    """Of steps sorted by series and time those at the same moment as the one before them."""
    return np.flatnonzero((np.diff(time) == 0) & (np.diff(series) == 0)) + 1


@dataclass(frozen=True)
class Gaps:
    """after (N,): True where a step comes later than it should. usual: time from one step to the next. longest: time."""

    after: Flags
    usual: float
    longest: float
    worst: int


def gaps(time: Values, series: Numbers) -> Gaps:
    """Of steps sorted by series and time."""
    change = np.diff(series) != 0
    waited = np.diff(time)
    waited[change] = np.nan
    usual = float(np.nanmedian(waited)) if (~change).any() else np.inf
    after = np.concatenate([[False], waited > _LATE * usual])
    longest = float(np.nanmax(waited)) if (~change).any() else 0.0
    return Gaps(after, usual, longest, int(np.nanargmax(waited)) + 1 if (~change).any() else 0)


def filled(x: Values, change: Flags, way: str) -> Values:
    """Return missing values (N, F) within runs that go on, from the one before (`previous`) or a straight line (`linear`).

    Before the first value of a run stands that value. A run without any stays NaN.
    """
    found = x.copy()
    starts = np.flatnonzero(change)
    for first, last in zip(starts, [*starts[1:], len(x)], strict=True):
        for column in found[first:last].T:
            there = np.flatnonzero(~np.isnan(column))
            if not 0 < len(there) < len(column):
                continue
            at = np.arange(len(column))
            if way == "linear":
                column[:] = np.interp(at, there, column[there])
            else:
                column[:] = column[there[np.searchsorted(there, at, side="right").clip(1) - 1]]
    return found


def refuse_missing(missing: Flags, spoken: str) -> None:
    """Raise AerunError where a value is missing; `spoken` says where."""
    if missing.any():
        raise AerunError(
            f"{spoken}: is missing ({int(missing.sum())} in all). dataset.missing=previous or linear fills in, "
            "dataset.missing=cut takes samples without them."
        )
