"""Durations as a person types them: `90s`, `10m`, `1h30m`, `2d`; a bare number is seconds."""

import math
import re

from aerun.core.errors import AerunError

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_LONGER = {"day": "d", "hour": "h", "hr": "h", "minute": "m", "min": "m", "second": "s", "sec": "s"}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*")


def seconds_of(key: str, value: object) -> float:
    """Return the seconds of a duration. Raises AerunError, which names the setting, for anything else and for none at all."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        seconds = _read(str(value).strip().lower())
    if not math.isfinite(seconds) or seconds <= 0:
        raise AerunError(f"{key}={value}: must be a time above zero, such as 90s, 10m, 1h30m or 2d.")
    return seconds


def _read(words: str) -> float:
    """Return the seconds of words; NaN for what is no duration."""
    parts, end = _PART.findall(words), 0
    for match in _PART.finditer(words):
        if match.start() != end:
            return math.nan
        end = match.end()
    if not parts or end != len(words):
        return math.nan
    units = [_UNITS.get(_LONGER.get(unit.rstrip("s") or unit, unit)) for _, unit in parts]
    if len(parts) == 1 and not parts[0][1]:
        return float(parts[0][0])
    if any(unit is None for unit in units) or sorted(units, key=lambda u: -(u or 0)) != units or len(set(units)) < len(units):
        return math.nan
    return sum(float(number) * (unit or 0.0) for (number, _), unit in zip(parts, units, strict=True))
