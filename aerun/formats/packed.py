"""Numbers in fewer bytes than 64-bit floats take, so that none changes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.formats.spool import Spool, Spooled

_LOOKED = 64  # numbers that tell with how many digits behind the point to begin
_DIGITS = 10  # at most, behind the point
_WHOLE = ((np.int8, 1 << 7), (np.int16, 1 << 15), (np.int32, 1 << 31))


class Packed:
    """Numbers (n,), NaN where missing, kept without loss in the fewest bytes of these ways.

    Whole numbers k of 8, 16 or 32 bits for k / 10^d, d <= 10, of which the smallest stands for NaN; 32-bit floats; and 64-bit
    floats, as they are. k and 10^d are exact as floats, so k / 10^d is the float that is nearest to the decimal number, as the
    one read from its digits is.
    """

    __slots__ = ("_kept", "_size")  # there are many of them

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._size = 1.0
        with np.errstate(invalid="ignore"):  # a file's own NaN may be a signalling one
            self._kept: NDArray[Any] | Spooled = self._whole(values)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Return the number of bytes that they take in memory."""
        return self._kept.nbytes

    def move_to(self, spool: Spool) -> None:
        """Keep the numbers on disk from now on."""
        if not isinstance(self._kept, Spooled):
            self._kept = spool.add(self._kept)

    def values(self, rows: slice = slice(None)) -> NDArray[np.float64]:
        """Return the numbers (n,) as they were, of all rows or of these."""
        kept = self._kept[rows]
        values = kept.astype(np.float64)
        if kept.dtype.kind == "f":
            return values
        gone = kept == np.iinfo(kept.dtype).min
        if self._size != 1:
            values /= self._size
        values[gone] = np.nan
        return values

    def _whole(self, values: NDArray[np.float64]) -> NDArray[Any]:
        there = values[~np.isnan(values)]
        most = float(np.abs(there).max()) if len(there) else 0.0
        first = self._digits(there[:_LOOKED], most, 0)
        digits = None if first is None else self._digits(there, most, first)
        if digits is None:
            short = values.astype(np.float32) if most < 1e38 else None
            return short if short is not None and np.array_equal(short, values, equal_nan=True) else values
        self._size = 10.0**digits
        kind = next(k for k, end in _WHOLE if most * self._size + 1 < end)
        kept = np.rint(values * self._size)
        return np.where(np.isnan(kept), np.iinfo(kind).min, kept).astype(kind)

    def _digits(self, there: NDArray[np.float64], most: float, first: int) -> int | None:
        """Return how many digits behind the point the numbers need, `first` or more; None for more than 32 bits hold."""
        for digits in range(first, _DIGITS + 1):
            size = 10.0**digits
            if not most * size + 1 < 1 << 31:
                return None
            if np.array_equal(np.rint(there * size) / size, there):
                return digits
        return None
