"""Which value of stored images means 1."""

import logging
from pathlib import Path

import numpy as np

from aerun.core.errors import AerunError

log = logging.getLogger("aerun")

_DEPTHS = (1, 2, 4, 8, 10, 12, 14, 16, 24, 32)  # bits of a pixel, as cameras and files have them


def unit_asked(unit: float | str) -> float | None:
    """Return `dataset.unit` as a number, None for auto. Raise AerunError unless it is positive."""
    if unit != "auto" and (isinstance(unit, str) or not 0 < unit < float("inf")):
        raise AerunError(f"dataset.unit={unit}: must be auto or the stored value that means 1, such as 255.")
    return None if isinstance(unit, str) else float(unit)


def depth_of(highest: float) -> int | None:
    """Return the smallest usual number of bits that holds the value `highest`, or None beyond 32."""
    return next((bits for bits in _DEPTHS if highest <= 2**bits - 1), None)


def image_unit(where: str | Path, dtype: np.dtype[np.generic], low: float, high: float) -> float:
    """Return the value that means 1 in images of this type with values in [low, high], and log it where it is not plain.

    255 for bytes, 1 for truth values. Other whole numbers, none of them negative, are divided by 2^bits - 1, with bits the
    smallest usual depth (1, 2, 4, 8, 10, 12, 14, 16, 24, 32) that holds all of them. Fractions are used as they are.
    """
    if dtype.kind == "b" or dtype == np.uint8:
        return 255.0 if dtype == np.uint8 else 1.0
    bits = depth_of(high) if dtype.kind in "iu" and low >= 0 else None
    if bits is not None:
        unit = float(2**bits - 1)
        words = "%s: whole numbers up to %g are taken for %d bits: divided by %g (dataset.unit=VALUE says otherwise)."
        log.warning(words, where, high, bits, unit)
        return unit
    if low < 0 or high > 1:
        hint = "dataset.unit=255 or " if 1 < high <= 255 and low >= 0 else "dataset.unit=VALUE or " if low >= 0 else ""
        words = "%s: values span [%g, %g], not [0, 1], and are used as they are: %sdataset.prepare=standardize scales them."
        log.warning(words, where, low, high, hint)
    return 1.0
