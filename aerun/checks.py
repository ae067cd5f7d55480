"""Range checks of settings, worded for the command line."""

import math

from aerun.errors import AerunError, nearest


def at_least(key: str, value: float, low: float) -> float:
    """`value` if it is finite and >= low, else AerunError."""
    if not math.isfinite(value) or value < low:
        raise AerunError(f"{key}={value}: must be a finite number of at least {low:g}.")
    return value


def within(key: str, value: float, low: float, high: float) -> float:
    """`value` if low <= value <= high, else AerunError."""
    if not low <= value <= high:
        raise AerunError(f"{key}={value}: must lie between {low:g} and {high:g}.")
    return value


def one_of(key: str, value: object, allowed: tuple[str, ...]) -> str:
    """`value` if it is one of `allowed`, else AerunError with the nearest."""
    if value not in allowed:
        raise AerunError(f"{key}={value}: must be one of {', '.join(allowed)}{nearest(str(value), allowed)}.")
    return str(value)
