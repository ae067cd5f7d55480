"""A run as a small card for notebooks: plain HTML without scripts, every word escaped, readable on light and dark pages."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT, _EDGE = 340, 96, 6
_COLOURS = ("#2a8fd6", "#d9730d")  # told apart by colour-blind readers, 3 : 1 at least on white and on black
_POINTS = 200  # of a line, at most
_FRAME = "display:inline-block;max-width:100%;border:1px solid rgba(127,127,127,.45);border-radius:6px;padding:8px 12px"
Curves = Mapping[str, NDArray[np.float64]]


def page(title: str, rows: Sequence[tuple[str, str]], figure: str = "", said: str = "") -> str:
    """Return a card: a title, a sentence, rows of a name and words, and a figure, which is HTML already."""
    own = "text-align:left;color:inherit;background:none"
    cells = "".join(
        f'<tr><th scope="row" style="{own};font-weight:normal;white-space:nowrap;opacity:.75">{escape(name)}</th>'
        f'<td style="{own}">{escape(words)}</td></tr>'
        for name, words in rows
    )
    sentence = f'<div style="margin:4px 0">{escape(said)}</div>' if said else ""
    return (
        f'<div style="{_FRAME};color:inherit;background:none"><b>{escape(title)}</b>{sentence}'
        f'<table style="border:none;margin:4px 0;color:inherit;background:none">{cells}</table>{figure}</div>'
    )


def svg(curves: Curves, best: int | None = None) -> str:
    """Return curves over epochs as one small SVG on a common scale; nothing where there are no finite values.

    The scale is logarithmic, and says so, where all values are above 0 and span more than a factor of 10. best: an epoch that
    is marked.
    """
    values = np.concatenate([*curves.values(), np.zeros(0)])
    finite = values[np.isfinite(values)]
    if not len(finite):
        return ""
    log = bool(finite.min() > 0 and finite.max() > 10 * finite.min())
    low, high = (_place(float(v), log) for v in (finite.min(), finite.max()))
    epochs = max(map(len, curves.values()))

    def across(epoch: float) -> float:
        return _EDGE + epoch / max(1, epochs - 1) * (_WIDTH - 2 * _EDGE)

    def up(value: float) -> float:
        return _HEIGHT - _EDGE - (_place(value, log) - low) / ((high - low) or 1.0) * (_HEIGHT - 2 * _EDGE)

    lines = "".join(_line(y, colour, across, up) for y, colour in zip(curves.values(), _COLOURS, strict=False))
    mark = "" if best is None or best >= epochs else _mark(across(best))
    words = f"{_legend(curves)}; {epochs} epochs{f', best {best} (dotted)' if mark else ''}{', log scale' if log else ''}"
    title = escape(f"{' and '.join(curves)} over {epochs} epochs")
    return (
        f'<svg role="img" aria-label="{title}" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'style="max-width:100%;display:block"><title>{title}</title>{mark}{lines}</svg>'
        f'<div style="font-size:85%;opacity:.85">{words}</div>'
    )


def _legend(curves: Curves) -> str:
    """Return each curve's colour, name and last value."""
    return " ".join(
        f'<span style="color:{colour}">&#9644;</span> {escape(name)} {y[-1]:.4g}'
        for (name, y), colour in zip(curves.items(), _COLOURS, strict=False)
    )


def _place(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _mark(x: float) -> str:
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HEIGHT}" stroke="currentColor" '
    return f'{line}stroke-dasharray="2 3" stroke-opacity=".6"/>'


def _line(y: NDArray[np.float64], colour: str, across: Any, up: Any) -> str:
    """Return a curve as a polyline of at most `_POINTS` points, the last among them; one epoch alone as a dot."""
    places = np.unique(np.linspace(0, len(y) - 1, min(len(y), _POINTS)).round().astype(int))
    points = [(across(i), up(float(y[i]))) for i in places if np.isfinite(y[i])]
    if len(points) == 1:
        return f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2.5" fill="{colour}"/>'
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    return f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
