"""Numbers that often stand for a value that is missing: -999, 9999, the fill values of netCDF and of whole numbers."""

import math
from collections.abc import Sequence

from torch import Tensor

_FILLS = (1e20, -1e20, 1e30, -1e30, 9.969209968386869e36, -32768.0, 65535.0, -2147483648.0, 2147483647.0)
_NINES = tuple(sign * float(f"{'9' * whole}{rest}") for sign in (-1, 1) for whole in range(2, 8) for rest in ("", ".9", ".99"))


def mark_of(parts: Sequence[Tensor]) -> float | None:
    """Return the number in the values of a column that looks like a mark for what is missing, or None.

    It is one of those in use, and the column's smallest or largest value, far from all others.
    """
    values = [x[~x.isnan()].double() for x in parts if len(x)]
    values = [x for x in values if len(x)]
    if not values:
        return None
    low, high = min(float(x.min()) for x in values), max(float(x.max()) for x in values)
    for extreme in (low, high):
        if not any(math.isclose(extreme, mark, rel_tol=1e-6) for mark in (*_FILLS, *_NINES)):
            continue
        rest = [kept for x in values if len(kept := x[x != extreme])]
        if not rest:
            continue
        a, b = min(float(x.min()) for x in rest), max(float(x.max()) for x in rest)
        if min(abs(extreme - a), abs(extreme - b)) > 2 * (b - a) > 0:
            return extreme
    return None
