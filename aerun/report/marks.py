"""The marks of series on a page, in the order in which `MARKERS` has them on paper."""

import math
from collections.abc import Sequence

_CORNERS: dict[str, Sequence[tuple[float, float]]] = {
    "triangle": [(0, -6), (5.5, 4.5), (-5.5, 4.5)],
    "square": [(-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)],
    "down": [(0, 6), (5.5, -4.5), (-5.5, -4.5)],
    "diamond": [(0, -6.5), (6, 0), (0, 6.5), (-6, 0)],
    "plus": [(-2, -6), (2, -6), (2, -2), (6, -2), (6, 2), (2, 2), (2, 6), (-2, 6), (-2, 2), (-6, 2), (-6, -2), (-2, -2)],
    "cross": [(-5.5, -3), (-3, -5.5), (0, -2.5), (3, -5.5), (5.5, -3), (2.5, 0), (5.5, 3), (3, 5.5), (0, 2.5), (-3, 5.5),
              (-5.5, 3), (-2.5, 0)],
    "star": [((7, 3)[k % 2] * math.sin(k * math.pi / 5), -(7, 3)[k % 2] * math.cos(k * math.pi / 5)) for k in range(10)],
}  # fmt: skip
SHAPES = ("circle", *_CORNERS)


def corners(shape: str, x: float, y: float) -> str:
    """Return the corners of a mark around a place."""
    return " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in _CORNERS[shape])
