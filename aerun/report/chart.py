"""Lines and points on two axes: where everything stands in pixels. templates/chart.html.j2 draws them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aerun.pictures.canvas.style import COLOURS

_CORNERS: dict[str, Sequence[tuple[float, float]]] = {
    "square": [(-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)],
    "triangle": [(0, -6), (5.5, 4.5), (-5.5, 4.5)],
    "diamond": [(0, -6), (6, 0), (0, 6), (-6, 0)],
}
_SHAPES = ("circle", *_CORNERS)


@dataclass(frozen=True)
class Point:
    """x, y, half the length of its bar (0: none) and what it says."""

    x: float
    y: float
    bar: float
    words: str


@dataclass(frozen=True)
class Series:
    """name; points; dashed: a baseline; joined: a line through its points."""

    name: str
    points: Sequence[Point]
    dashed: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Axis:
    """What it measures, and whether on a log scale."""

    title: str
    log: bool = False

    def place(self, value: float) -> float:
        """Return the place of a value on the scale."""
        return math.log10(value) if self.log else value


@dataclass(frozen=True)
class Drawn:
    """A series with its colour, its mark, and the corners of the line through its points (empty: none)."""

    name: str
    points: Sequence[Point]
    dashed: bool
    colour: str
    shape: str
    line: str


@dataclass(frozen=True)
class Chart:
    """Series over two axes. lines: places across with a vertical line and its words."""

    series: Sequence[Series]
    across: Axis
    up: Axis
    title: str
    lines: Sequence[tuple[float, str]] = ()

    width, height = 640, 360
    left, right, top, bottom = 64, 624, 16, 314
    centre = ((left + right) / 2, (top + bottom) / 2)

    def x(self, value: float) -> float:
        """Return the pixels from the left."""
        low, high = self._across
        return self.left + (self.across.place(value) - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Return the pixels from the top."""
        low, high = self._up
        return self.bottom - (self.up.place(value) - low) / (high - low) * (self.bottom - self.top)

    @property
    def ticks_across(self) -> Sequence[float]:
        """Return the values themselves where they are few."""
        own = sorted({p.x for p in self._points})
        return own if len(own) <= 10 else _ticks(self._across, self.across.log)

    @property
    def ticks_up(self) -> Sequence[float]:
        """Round values."""
        return _ticks(self._up, self.up.log)

    @property
    def drawn_series(self) -> Sequence[Drawn]:
        """Return the series as they are drawn."""
        return [
            Drawn(s.name, s.points, s.dashed, COLOURS[i % len(COLOURS)], _SHAPES[i % len(_SHAPES)], self._line(s))
            for i, s in enumerate(self.series)
        ]

    def _line(self, one: Series) -> str:
        if not one.joined or len(one.points) < 2:
            return ""
        return " ".join(f"{self.x(p.x):.1f},{self.y(p.y):.1f}" for p in sorted(one.points, key=lambda p: p.x))

    @cached_property
    def _points(self) -> Sequence[Point]:
        return [p for s in self.series for p in s.points]

    @cached_property
    def _across(self) -> tuple[float, float]:
        return _span([self.across.place(v) for v in (*(p.x for p in self._points), *(x for x, _ in self.lines))])

    @cached_property
    def _up(self) -> tuple[float, float]:
        bars = () if self.up.log else tuple(v for p in self._points for v in (p.y - p.bar, p.y + p.bar))
        return _span([self.up.place(v) for v in (*(p.y for p in self._points), *bars)])


def corners(shape: str, x: float, y: float) -> str:
    """Return the corners of a mark around a place."""
    return " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in _CORNERS[shape])


# What templates/chart.html.j2 asks for.
FILTERS: Mapping[str, Callable[..., Any]] = {
    "px": lambda value: f"{value:.1f}",
    "short": lambda value: f"{value:g}",
    "corners": corners,
}


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _ticks(span: tuple[float, float], log: bool) -> list[float]:
    """Round values inside the span: 1, 2, 5 times powers of ten."""
    low, high = span
    if log:
        decades = range(math.floor(low), math.ceil(high) + 1)
        steps = (1, 2, 5) if high - low < 2.5 else (1,)
        return [s * 10.0**d for d in decades for s in steps if low <= math.log10(s * 10.0**d) <= high]
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
    return [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
