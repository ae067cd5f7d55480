"""Lines and points as SVG, readable without colour: each series has a colour and a mark, each point its words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from aerun.pictures.canvas.style import COLOURS

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 46

_Place = Callable[[float], float]  # a value's place in pixels


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
        """On the scale."""
        return math.log10(value) if self.log else value


def drawn(series: Sequence[Series], across: Axis, up: Axis, title: str, lines: Sequence[tuple[float, str]] = ()) -> str:
    """<figure> with an <svg>. lines: places across with a vertical line and its words."""
    points = [p for s in series for p in s.points]
    xs = _span([across.place(p.x) for p in points] + [across.place(x) for x, _ in lines])
    ys = _span([up.place(v) for p in points for v in (p.y, *((p.y - p.bar, p.y + p.bar) if not up.log else ()))])

    def x_of(value: float) -> float:
        return _LEFT + (across.place(value) - xs[0]) / (xs[1] - xs[0]) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - (up.place(value) - ys[0]) / (ys[1] - ys[0]) * (_HEIGHT - _TOP - _BOTTOM)

    own = sorted({p.x for p in points})
    parts = [_ticks_across(own if len(own) <= 10 else _ticks(xs, across.log), x_of), _ticks_up(_ticks(ys, up.log), y_of)]
    for value, words in lines:
        x = x_of(value)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{x + 4:.1f}" y="{_TOP + 10}" class="tick">{escape(words)}</text>')
    for i, one in enumerate(series):
        parts.append(_series(one, COLOURS[i % len(COLOURS)], i, x_of, y_of))
    middle, low = (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8
    parts.append(f'<text x="{middle}" y="{low}" text-anchor="middle">{escape(across.title)}</text>')
    height = (_TOP + _HEIGHT - _BOTTOM) / 2
    turn = f'transform="rotate(-90 14 {height})"'
    parts.append(f'<text x="14" y="{height}" {turn} text-anchor="middle">{escape(up.title)}</text>')
    legend = "".join(_entry(s, COLOURS[i % len(COLOURS)], i) for i, s in enumerate(series))
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f'<figure>{svg}<figcaption>{escape(title)}<ul class="legend">{legend}</ul></figcaption></figure>'


def _series(one: Series, colour: str, number: int, x_of: _Place, y_of: _Place) -> str:
    parts = []
    if one.joined and len(one.points) > 1:
        path = " ".join(f"{x_of(p.x):.1f},{y_of(p.y):.1f}" for p in sorted(one.points, key=lambda p: p.x))
        dash = ' stroke-dasharray="6 4"' if one.dashed else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    for p in one.points:
        x, y = x_of(p.x), y_of(p.y)
        if p.bar > 0 and p.y > p.bar:
            ends = f'y1="{y_of(p.y - p.bar):.1f}" y2="{y_of(p.y + p.bar):.1f}"'
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{colour}" stroke-width="1.5"/>')
        words = escape(p.words)
        parts.append(f'<g tabindex="0" aria-label="{words}"><title>{words}</title>{_mark(number, x, y, colour)}</g>')
    return "".join(parts)


def _mark(number: int, x: float, y: float, colour: str) -> str:
    """A circle, square, triangle or diamond."""
    shape = number % 4
    if shape == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    corners = {1: [(-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)], 2: [(0, -6), (5.5, 4.5), (-5.5, 4.5)]}
    at = corners.get(shape, [(0, -6), (6, 0), (0, 6), (-6, 0)])
    places = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in at)
    return f'<polygon points="{places}" fill="{colour}"/>'


def _entry(one: Series, colour: str, number: int) -> str:
    dash = " (dashed)" if one.dashed else ""
    mark = f'<svg viewBox="0 0 16 16" aria-hidden="true" class="key">{_mark(number, 8, 8, colour)}</svg>'
    return f"<li>{mark}{escape(one.name)}{dash}</li>"


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


def _ticks_across(values: Sequence[float], x_of: _Place) -> str:
    low = _HEIGHT - _BOTTOM
    return "".join(
        f'<line class="grid" x1="{x_of(v):.1f}" x2="{x_of(v):.1f}" y1="{_TOP}" y2="{low}"/>'
        f'<text class="tick" x="{x_of(v):.1f}" y="{low + 15}" text-anchor="middle">{v:g}</text>'
        for v in values
    )


def _ticks_up(values: Sequence[float], y_of: _Place) -> str:
    return "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(v):.1f}" y2="{y_of(v):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y_of(v) + 4:.1f}" text-anchor="end">{v:g}</text>'
        for v in values
    )
