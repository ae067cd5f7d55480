"""Lines and points on two axes: where everything stands in pixels. templates/chart.html.j2 draws them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aerun.pictures.canvas.style import COLOURS, GREY
from aerun.report.marks import SHAPES, corners
from aerun.report.ticks import apart, span, ticks

BASELINE = GREY  # the colour of what models are held against, the same in all charts
_INK = "#000000"  # on a dark page it is light
_ROW = 20  # pixels of a line of words above the axes


@dataclass(frozen=True)
class Point:
    """x, y, half the length of its bar (0: none) and what it says."""

    x: float
    y: float
    bar: float
    words: str


@dataclass(frozen=True)
class Series:
    """name; points; dashed: a baseline; joined: a line through its points; title: the full name, where name is shortened."""

    name: str
    points: Sequence[Point]
    dashed: bool = False
    joined: bool = True
    title: str = ""


@dataclass(frozen=True)
class Axis:
    """What it measures, with its unit, and whether on a log scale."""

    title: str
    log: bool = False

    def place(self, value: float) -> float:
        """Return the place of a value on the scale."""
        return math.log10(value) if self.log else value


@dataclass(frozen=True)
class Drawn:
    """A series with its colour, its mark, and the corners of the line through its points (empty: none)."""

    name: str
    title: str
    points: Sequence[Point]
    dashed: bool
    colour: str
    shape: str
    line: str


@dataclass(frozen=True)
class Mark:
    """A vertical line over the axes: its pixels across, those of its words (x, y), on which side of them it is, and they."""

    x: float
    words_x: float
    words_y: float
    anchor: str
    words: str


@dataclass(frozen=True)
class Chart:
    """Series over two axes. lines: places across with a vertical line and its words. notes: what a reader must know of it."""

    series: Sequence[Series]
    across: Axis
    up: Axis
    title: str
    lines: Sequence[tuple[float, str]] = ()
    notes: Sequence[str] = ()

    width, height = 520, 350
    left, right, bottom = 78, 506, 292
    centre = (left + right) / 2

    @property
    def top(self) -> float:
        """Return where the axes begin: below the title of the one that goes up, and the words of vertical lines."""
        return 34 + _ROW * len(self.lines)

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
        """Return the values themselves where they are few and have room for their words, else round ones."""
        own = sorted({p.x for p in self._points})
        if len(own) <= 10 and apart(own, self.x) == own:
            return own
        return apart(ticks(self._across, self.across.log), self.x)

    @property
    def ticks_up(self) -> Sequence[float]:
        """Return round values."""
        return ticks(self._up, self.up.log)

    @property
    def marks(self) -> Sequence[Mark]:
        """Return the vertical lines, the words of each in a line of their own, towards the middle."""
        found = []
        for i, (value, words) in enumerate(self.lines):
            x = self.x(value)
            side, anchor = (-5, "end") if x > self.centre else (5, "start")
            found.append(Mark(x, x + side, 34 + _ROW * i + 10, anchor, words))
        return found

    @property
    def words(self) -> Sequence[str]:
        """Return what is written on it."""
        return [self.across.title, self.up.title, *(words for _, words in self.lines), *(s.name for s in self.series)]

    @property
    def bars(self) -> bool:
        """Return whether any point has a bar."""
        return any(p.bar > 0 for p in self._points)

    @property
    def drawn_series(self) -> Sequence[Drawn]:
        """Return the series as they are drawn."""
        return [
            Drawn(
                s.name, s.title or s.name, sorted(s.points, key=lambda p: p.x), s.dashed,
                "currentColor" if (colour := colour_of(s, i)) == _INK else colour, SHAPES[i % len(SHAPES)], self._line(s),
            )
            for i, s in enumerate(self.series)
        ]  # fmt: skip

    def _line(self, one: Series) -> str:
        if not one.joined or len(one.points) < 2:
            return ""
        return " ".join(f"{self.x(p.x):.1f},{self.y(p.y):.1f}" for p in sorted(one.points, key=lambda p: p.x))

    @cached_property
    def _points(self) -> Sequence[Point]:
        return [p for s in self.series for p in s.points]

    @cached_property
    def _across(self) -> tuple[float, float]:
        return span([self.across.place(v) for v in (*(p.x for p in self._points), *(x for x, _ in self.lines))])

    @cached_property
    def _up(self) -> tuple[float, float]:
        bars = () if self.up.log else tuple(v for p in self._points for v in (p.y - p.bar, p.y + p.bar))
        return span([self.up.place(v) for v in (*(p.y for p in self._points), *bars)])


def colour_of(series: Series, i: int) -> str:
    """Return the colour of the i-th series of a chart, on pages and on paper."""
    return BASELINE if series.dashed else COLOURS[i % (len(COLOURS) - 1)]  # the last is the baseline's


# What templates/chart.html.j2 asks for.
FILTERS: Mapping[str, Callable[..., Any]] = {
    "px": lambda value: f"{value:.1f}",
    "short": lambda value: f"{value:g}",
    "corners": corners,
    "cut": lambda words, length: words if len(words) <= length else f"{words[: length - 1].rstrip()}…",
}
