"""Which values an axis names: round ones, whose words have room beside each other."""

import math
from collections.abc import Callable, Sequence

_LETTER = 10.5  # pixels of a digit in the largest type that a chart is shown in
_GAP = 8


def span(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis, a little wider than its values."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def ticks(ends: tuple[float, float], log: bool) -> list[float]:
    """Return round values inside an axis: 1, 2, 5 times powers of ten. log: `ends` are decades."""
    low, high = ends
    if not log:
        return _even(low, high)
    decades = range(math.floor(low), math.ceil(high) + 1)
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    found = [s * 10.0**d for d in decades for s in steps if low <= math.log10(s * 10.0**d) <= high]
    return found if len(found) > 2 else _even(10.0**low, 10.0**high)


def _even(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
    return [float(f"{k * step:.12g}") for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def apart(values: Sequence[float], place: Callable[[float], float]) -> list[float]:
    """Return values in order without those whose words would touch the ones before. place: pixels of a value."""
    kept: list[float] = []
    for value in values:
        if not kept or place(value) - place(kept[-1]) > _LETTER * (_letters(value) + _letters(kept[-1])) / 2 + _GAP:
            kept.append(value)
    return kept


def _letters(value: float) -> int:
    return len(f"{value:g}")
