"""Curves over epochs of the jobs of a pruned sweep: those that ended, and the others up to where they stopped."""

import math
from collections.abc import Sequence

from aerun.logger.rows import Learned
from aerun.report.chart import Axis, Chart, Point, Series
from aerun.runs.readable import readable

_NAMED = 5  # jobs that ended and have a line of their own colour
_POINTS = 12  # of a line
_STEEP = 20  # times that figures differ, from which on they are drawn on a log scale


def learning_chart(curves: Sequence[Learned], figure: str) -> Chart | None:
    """Return the chart of these curves, best first; None where none has two points."""
    ended = [one for one in curves if one.ended]
    rest = [one for one in curves if not one.ended]
    series = [Series(one.name, _points(one)) for one in ended[:_NAMED]]
    series += [Series("", _points(one), dashed=True, title=one.name) for one in (*rest, *ended[_NAMED:])]
    if not any(len(s.points) > 1 for s in series):
        return None
    values = [p.y for s in series for p in s.points]
    notes = [f"Dashed: {len(rest)} pruned, each up to the epoch at which it stopped{_others(len(ended) - _NAMED)}."]
    log = 0 < _STEEP * min(values) <= max(values)
    return Chart(series, Axis("epochs"), Axis(readable(figure), log), f"{figure} as the jobs train", [], notes)


def _others(more: int) -> str:
    return f", and the {more} others that ended" if more > 0 else ""


def _points(one: Learned) -> list[Point]:
    """Return a few of a curve's points, its first and its last among them."""
    known = [p for p in one.points if math.isfinite(p[1])]
    step = max(1, math.ceil(len(known) / _POINTS))
    kept = dict.fromkeys([*known[:1], *known[::-1][::step][::-1]])
    return [Point(epoch, value, 0.0, f"{one.name}: {value:.4g} after {epoch} epochs") for epoch, value in kept]
