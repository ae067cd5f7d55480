"""Dates that are written as whole numbers, such as 20240531."""

import numpy as np

from aerun.formats.frame import Values

_FEW = 4096  # values that tell for most columns
_FIRST, _LAST = 19000101, 20991231


def are_compact_dates(values: Values) -> bool:
    """Return whether all numbers of a column (NaN where missing) are days of the years 1900 to 2099 as YYYYMMDD."""
    few = values[:_FEW]
    few = few[~np.isnan(few)]
    if len(few) and (few.min() < _FIRST or few.max() > _LAST):
        return False
    there = values[~np.isnan(values)]
    if not len(there) or there.min() < _FIRST or there.max() > _LAST or (there != np.floor(there)).any():
        return False
    days, months = there % 100, there // 100 % 100
    return bool(((days >= 1) & (days <= 31) & (months >= 1) & (months <= 12)).all() and there.min() < there.max())
